# Mail exchangers, addresses and TLSA records, from a real name server with
# signed zones, and from one that does wrong. tests/lib/resolve.c asks as the
# SMTP client does, by the stub and with proofs of its own (-u).

bats_require_minimum_version 1.5.0
load ../lib/common
load ../lib/zones

DATA=abababababababababababababababababababababababababababababababab

setup_file() {
	{
		cat <<-ZONE
			zone example signed
			mx A 192.0.2.1
			mx AAAA 2001:db8::1
			v4 A 192.0.2.4
			v6 AAAA 2001:db8::6
			order MX 10 a.order
			order MX 20 b.order
			order MX 5 c.order
			a.order A 192.0.2.11
			b.order A 192.0.2.12
			c.order A 192.0.2.13
			equal MX 10 a.order
			equal MX 10 b.order
			equal MX 10 c.order
			null MX 0 .
			toalias MX 10 alias
			alias CNAME v4
			self CNAME order
			toip MX 10 192.0.2.9.
			tolocalhost MX 10 local
			local A 127.0.0.1
			tous MX 10 us
			tous MX 20 v4
			us A 192.0.2.77
			tozero MX 10 zero
			zero A 0.0.0.0
			zero AAAA ::
			tozero2 MX 10 zero
			tozero2 MX 5 v4
			ring1 CNAME ring2
			ring2 CNAME ring1
			toring MX 10 ring1
			better MX 5 v4
			better MX 10 us
			tonothing MX 10 nosuch
			tonothing MX 20 text
			text TXT x
			xn--mnchen-3ya MX 10 v4
			tofail MX 10 a.gone
			tofail MX 20 v4
			onlyfail MX 10 a.gone
			toplain MX 10 host.plain
			toplainalias MX 10 plainalias
			plainalias CNAME host.plain
			_25._tcp.plainalias TLSA 3 1 1 $DATA
			signed MX 10 signed
			signed A 192.0.2.20
			_25._tcp.signed TLSA 3 1 1 $DATA
			_25._tcp.signed TLSA 0 0 1 $DATA
			useless MX 10 useless
			useless A 192.0.2.21
			_25._tcp.useless TLSA 0 0 1 $DATA
			tosigned MX 10 signedalias
			signedalias CNAME signed
			tobogus MX 10 v4.bogus
			totlsabogus MX 10 tlsa.bogus
			big MX 10 v4
		ZONE
		for i in {1..100}; do
			echo "hundred MX $i h$i.hundred"
			echo "h$i.hundred A 192.0.2.$i"
		done
		cat <<-ZONE
			zone plain.example
			@ MX 10 host
			host A 192.0.2.30
			_25._tcp.host TLSA 3 1 1 $DATA
			zone bogus.example signed
			@ MX 10 v4
			v4 A 192.0.2.40
			tamper 192.0.2.40 192.0.2.41
			tlsa A 192.0.2.42
			_25._tcp.tlsa TLSA 3 1 1 ${DATA/ab/cd}
			tamper ${DATA/ab/cd} ${DATA/ab/ce}
			zone lame.example signed lame
			@ MX 10 v4
			v4 A 192.0.2.50
			zone gone.example missing
		ZONE
	} >"$BATS_FILE_TMPDIR/description"
	start_zones <"$BATS_FILE_TMPDIR/description"
}

teardown_file() {
	stop_zones
}

setup() {
	clean_environment
	use_zones
}

teardown() {
	stop_peers
}

# both LINES ARGUMENT...: the stub says so, and so does who proves it, but for
# what is proven.
both() {
	local want=$1 way got

	shift
	for way in "" -u; do
		got=$(resolve ${way:+"$way"} "$@" |
			sed -E 's/ (mx|addr)-secure//g')
		[[ $got == "$want" ]] || {
			printf '%s %s: got\n%s\nwanted\n%s\n' "$way" "$*" \
				"$got" "$want"
			return 1
		}
	done
}

@test "exchangers by preference, and equals by chance" {
	local order

	both "5 c.order.example 192.0.2.13
10 a.order.example 192.0.2.11
20 b.order.example 192.0.2.12" mx order.example
	for seed in 1 2 3 4 5 6 7 8 9; do
		resolve -s "$seed" mx equal.example | head -n 1
	done | sort -u >"$BATS_TEST_TMPDIR/first"
	cat "$BATS_TEST_TMPDIR/first"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/first")" -eq 3 ]
	order=$(resolve -s 4 mx equal.example)
	resolves_to "$order" -s 4 mx equal.example
}

@test "a hundred exchangers, which need TCP" {
	resolve mx hundred.example >"$BATS_TEST_TMPDIR/out"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -eq 100 ]
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/out")" = \
		"100 h100.hundred.example 192.0.2.100" ]
	resolve -u mx hundred.example >"$BATS_TEST_TMPDIR/proven"
	[ "$(grep -c 'mx-secure addr-secure$' "$BATS_TEST_TMPDIR/proven")" \
		-eq 100 ]
}

@test "without MX the host itself, by either family" {
	both "0 v4.example 192.0.2.4" mx v4.example
	both "0 v6.example 2001:db8::6" mx v6.example
	resolve mx mx.example >"$BATS_TEST_TMPDIR/out"
	grep -qx '0 mx.example \(192.0.2.1 2001:db8::1\|2001:db8::1 192.0.2.1\)' \
		"$BATS_TEST_TMPDIR/out"
	both "0 v4.example 192.0.2.4" relay v4.example
}

@test "a relay's MX records are not looked at" {
	both "fault 2: order.example: no such host, or it has no address" \
		relay order.example
}

@test "what there is not is known for good" {
	both "fault 2: nosuch.example: no such host, or it has no address" \
		mx nosuch.example
	both "fault 2: text.example: no such host, or it has no address" \
		mx text.example
	both "fault 4: no mail exchanger of tonothing.example has an address" \
		mx tonothing.example
	both "fault 6: null.example takes no mail (null MX)" mx null.example
	both "fault 1: a..b is no host name: there is nothing before or after a dot" \
		mx a..b
}

@test "what can not be told now is not" {
	both "20 v4.example 192.0.2.4
later 1" mx tofail.example
	run resolve mx a.gone.example
	[[ $status -eq 1 && $output == "fault 3: MX of a.gone.example: "*SERVFAIL ]]
	run resolve mx onlyfail.example
	[[ $output == "fault 3: addresses of a.gone.example: "*SERVFAIL ]]
	run resolve -u mx onlyfail.example
	[[ $output == "fault 3: addresses of a.gone.example: resolver: SERVFAIL" ]]
}

@test "exchangers that are aliases, addresses, or this host" {
	both "10 alias.example 192.0.2.4 alias-of-v4.example" mx toalias.example
	both "10 192.0.2.9 192.0.2.9 literal" mx toip.example
	both "fault 5: the best mail exchanger of tolocalhost.example is this host" \
		-g own mx tolocalhost.example
	both "10 local.example 127.0.0.1" mx tolocalhost.example
	both "fault 5: the best mail exchanger of tozero.example is this host" \
		-g own mx tozero.example
	both "5 v4.example 192.0.2.4" -g own mx tozero2.example
	both "fault 5: the best mail exchanger of tous.example is this host" \
		-g 192.0.2.77 mx tous.example
	both "5 v4.example 192.0.2.4" -g 192.0.2.77 mx better.example
	both "0 us.example 192.0.2.77" -g 192.0.2.77 relay us.example
	both "fault 5: the best mail exchanger of [127.0.0.1] is this host" \
		-g own mx '[127.0.0.1]'
	both "0 127.0.0.1 127.0.0.1 literal" -g own relay '[127.0.0.1]'
}

@test "an alias of a domain has its exchangers" {
	both "5 c.order.example 192.0.2.13
10 a.order.example 192.0.2.11
20 b.order.example 192.0.2.12" mx self.example
}

@test "aliases in a ring" {
	run resolve mx ring1.example
	[[ $status -eq 1 && $output == "fault "[23]": "* ]]
	run resolve -u mx ring1.example
	[[ $status -eq 1 && $output == "fault "[23]": "* ]]
	run resolve mx toring.example
	[[ $status -eq 1 && $output == "fault "[34]": "* ]]
	run resolve -u mx toring.example
	[[ $status -eq 1 && $output == "fault "[34]": "* ]]
}

@test "names that are not ASCII" {
	both "10 v4.example 192.0.2.4" mx $'m\xc3\xbcnchen.EXAMPLE.'
	both "10 v4.example 192.0.2.4" mx xn--mnchen-3ya.example
}

@test "what is proven, what is not, and what is forged" {
	resolves_to "10 signed.example 192.0.2.20 mx-secure addr-secure" \
		-u mx signed.example
	resolves_to "10 host.plain.example 192.0.2.30 mx-secure" \
		-u mx toplain.example
	resolves_to "10 host.plain.example 192.0.2.30" -u mx plain.example
	resolves_to "nxdomain secure" -u MX nosuch.example
	run resolve -u mx tobogus.example
	[[ $output == "fault 3: addresses of v4.bogus.example: DNSSEC: "* ]]
	run resolve -u A v4.bogus.example
	[[ $output == "temporary bogus DNSSEC: "*"signature verification failed"* ]]
	run resolve -u mx lame.example
	[[ $output == "fault 3: MX of lame.example: DNSSEC: "* ]]
	# Who does not look sees nothing of it.
	resolves_to "10 v4.bogus.example 192.0.2.41" mx tobogus.example
}

@test "without a trust anchor nothing is proven" {
	printf 'nameserver %s\ntrust-anchor %s\n' "$NAMESERVER" \
		"$ZONES/nothing" >"$CONTROLDIR/resolver"
	run resolve -u mx signed.example
	[ "$status" -eq 111 ]
	[[ $output == *"/resolver:2: this file can not be read"* ]]
	echo "nameserver $NAMESERVER" >"$CONTROLDIR/resolver"
	resolves_to "signed.example none" tlsa signed.example 25
}

@test "TLSA: good, absent, of no use, not proven, forged" {
	resolves_to "signed.example found at signed.example 311-$DATA" \
		-u tlsa signed.example 25
	resolves_to "signed.example none" -u tlsa signed.example 465
	resolves_to "useless.example unusable at useless.example" \
		-u tlsa useless.example 25
	resolves_to "host.plain.example none" -u tlsa plain.example 25
	resolves_to "host.plain.example none" -u tlsa toplain.example 25
	run resolve -u tlsa totlsabogus.example 25
	[[ ${lines[0]} == "tlsa.bogus.example later" ]]
	[[ ${lines[1]} == "why TLSA of _25._tcp.tlsa.bogus.example: DNSSEC: "* ]]
	# at the end of an alias, and before it leaves what is proven
	resolves_to "signedalias.example found at signed.example 311-$DATA" \
		-u tlsa tosigned.example 25
	resolves_to "plainalias.example found at plainalias.example 311-$DATA" \
		-u tlsa toplainalias.example 25
	# the stub proves nothing
	resolves_to "signed.example none" tlsa signed.example 25
}

# A name server that does not know what it should: dnsserver.py.

start_wrong() {
	RECORDS=$BATS_TEST_TMPDIR/records
	cat >"$RECORDS"
	start_peer "$PYTHON" "$TESTLIB/dnsserver.py" "$RECORDS" "$@"
	wait_for_line "$PEER_FD" '^([0-9]+)$'
	printf 'nameserver 127.0.0.1:%s\n' "${BASH_REMATCH[1]}" \
		>"$CONTROLDIR/resolver"
}

@test "a server that is silent or refuses" {
	start_wrong <<-'ZONE'
		silent.example drop
		refused.example refused
		d.example MX 10 m.example.
		m.example A 192.0.2.1
		e.example MX 10 silent.example.
	ZONE
	resolves_to "10 m.example 192.0.2.1" mx d.example
	run resolve mx refused.example
	[[ $output == "fault 3: MX of refused.example: name server 127.0.0.1: REFUSED" ]]
	run resolve -t 300 mx silent.example
	[[ $output == "fault 3: MX of silent.example: name server 127.0.0.1: no answer in time" ]]
	run resolve -t 300 mx e.example
	[[ $output == "fault 3: addresses of silent.example: name server 127.0.0.1: no answer in time" ]]
	run resolve -u -t 300 mx silent.example
	[[ $output == "fault 3: MX of silent.example: no name server answered in time" ]]
}

@test "answers that are damaged, truncated everywhere, or huge" {
	start_wrong <<-'ZONE'
		loop.example loop
		cut.example cut
		huge.example huge
		d.example MX 10 loop.example.
		e.example MX 10 cut.example.
		e.example MX 20 m.example.
		m.example A 192.0.2.1
	ZONE
	run resolve mx loop.example
	[[ $output == "fault 3: MX of loop.example: name server 127.0.0.1: the answer is damaged" ]]
	run resolve -u mx loop.example
	[[ $output == "fault 3: MX of loop.example: "* ]]
	run resolve mx d.example
	[[ $output == "fault 3: addresses of loop.example: "*damaged ]]
	run resolve mx cut.example
	[[ $output == "fault 3: MX of cut.example: name server 127.0.0.1: it closed the connection" ]]
	run resolve -u -t 2000 mx cut.example
	[[ $output == "fault 3: MX of cut.example: "* ]]
	resolves_to "20 m.example 192.0.2.1
later 1" mx e.example
	resolve mx huge.example >"$BATS_TEST_TMPDIR/out"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -eq 100 ]
	sort -n -c "$BATS_TEST_TMPDIR/out"
	run -1 grep -Evx '[0-9]+ 192\.0\.[0-9.]+ 192\.0\.[0-9.]+ literal' \
		"$BATS_TEST_TMPDIR/out"
}

@test "a server that says that its answers are proven" {
	start_wrong --proven <<-ZONE
		d.example MX 10 m.example.
		m.example A 192.0.2.1
		_25._tcp.m.example TLSA 3 1 1 $DATA
	ZONE
	# It is not believed, unless the control file says so.
	resolves_to "10 m.example 192.0.2.1" mx d.example
	resolves_to "m.example none" tlsa d.example 25
	echo trust-ad >>"$CONTROLDIR/resolver"
	resolves_to "10 m.example 192.0.2.1 mx-secure addr-secure" mx d.example
	resolves_to "m.example found at m.example 311-$DATA" tlsa d.example 25
}
