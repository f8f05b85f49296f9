# Certificates for tests, made by the openssl program: `load ../lib/certs`
# after common.
#
# shellcheck shell=bash

# make_certificates: in setup_file, makes them once for all cases of a file.
# CERTS is the folder. PEM, each NAME.pem with its NAME.key:
#
#	ca		the authority; ca.crl is its revocation list
#	good		a server: localhost, *.test.example, 127.0.0.1, ::1
#	wrong		the same for wrong.example
#	expired		valid in 2020
#	future		valid from 2098 on
#	revoked		in ca.crl
#	sha1		signed with SHA-1
#	chain		by an authority in between, whose certificate follows it
#	self		the same names, signed by itself
#	client		a client, common name client.test.example
#	stranger	a client that signed itself
#
# DER: ca.der, ca.crl.der, client.der, client.key.der.
make_certificates() {
	export CERTS=$BATS_FILE_TMPDIR/certs

	[[ ! -d $CERTS ]] || return 0
	mkdir -p "$CERTS/new"
	(
		set -e
		umask 077
		cd "$CERTS"
		certs_config
		certs_make
	) >"$BATS_FILE_TMPDIR/certs.log" 2>&1 || {
		cat "$BATS_FILE_TMPDIR/certs.log"
		return 1
	}
}

certs_config() {
	: >index
	echo 01 >crlnumber
	cat >config <<-'END'
		[req]
		distinguished_name = dn
		prompt = no
		[dn]
		[ca]
		default_ca = here
		[here]
		database = index
		new_certs_dir = new
		certificate = ca.pem
		private_key = ca.key
		crlnumber = crlnumber
		rand_serial = yes
		unique_subject = no
		default_md = sha256
		default_crl_days = 3650
		default_startdate = 20200101000000Z
		default_enddate = 20991231235959Z
		copy_extensions = copy
		policy = any
		[any]
		commonName = supplied
		[authority]
		basicConstraints = critical,CA:true
		keyUsage = critical,keyCertSign,cRLSign
	END
}

CERTS_NAMES='subjectAltName=DNS:localhost,DNS:*.test.example,IP:127.0.0.1,IP:::1'

# certs_key NAME COMMON-NAME [OPTION...]: a key, and a request for it; with
# -x509 a certificate that it signs itself.
certs_key() {
	local name=$1 cn=$2

	shift 2
	openssl req -config config -newkey ec \
		-pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$name.key" \
		-subj "/CN=$cn" "$@"
}

# certs_leaf NAME COMMON-NAME NAMES [OPTION...]: options are those of openssl ca.
certs_leaf() {
	local name=$1

	certs_key "$name" "$2" -new -out "$name.csr" -addext "$3"
	shift 3
	openssl ca -config config -batch -notext -in "$name.csr" \
		-out "$name.pem" "$@"
}

certs_make() {
	certs_key ca 'Test Authority' -x509 -extensions authority -days 3650 \
		-out ca.pem
	certs_leaf good localhost "$CERTS_NAMES"
	certs_leaf wrong wrong.example 'subjectAltName=DNS:wrong.example'
	certs_leaf expired localhost "$CERTS_NAMES" \
		-startdate 20200101000000Z -enddate 20201231235959Z
	certs_leaf future localhost "$CERTS_NAMES" \
		-startdate 20980101000000Z -enddate 20991231235959Z
	certs_leaf revoked localhost "$CERTS_NAMES"
	certs_leaf sha1 localhost "$CERTS_NAMES" -md sha1
	certs_leaf client client.test.example 'extendedKeyUsage=clientAuth'
	certs_leaf middle 'Test Authority in Between' \
		'basicConstraints=critical,CA:true'
	certs_leaf chain localhost "$CERTS_NAMES" \
		-cert middle.pem -keyfile middle.key
	cat middle.pem >>chain.pem
	certs_key self localhost -x509 -days 3650 -addext "$CERTS_NAMES" \
		-out self.pem
	certs_key stranger client.test.example -x509 -days 3650 \
		-out stranger.pem
	openssl ca -config config -revoke revoked.pem
	openssl ca -config config -gencrl -out ca.crl
	openssl x509 -in ca.pem -outform DER -out ca.der
	openssl crl -in ca.crl -outform DER -out ca.crl.der
	openssl x509 -in client.pem -outform DER -out client.der
	openssl pkey -in client.key -outform DER -out client.key.der
}
