# Makes what the build needs from exitcodes.tbl, after checking it.
#
#	awk -v mode=c    -f exitcodes.awk exitcodes.tbl    table of qqcode.c
#	awk -v mode=test -f exitcodes.awk exitcodes.tbl    what all 256 codes say
#	awk -v mode=man  -f exitcodes.awk exitcodes.tbl PAGE.in
#
# In PAGE.in the line @TABLE@ stands for the list of codes.

function bad(what)
{
	print FILENAME ":" FNR ": " what > "/dev/stderr"
	failed = 1
	exit 1
}

function trim(s)
{
	gsub(/^[ \t]+|[ \t]+$/, "", s)
	return s
}

function quoted(s)
{
	gsub(/\\/, "\\\\", s)
	gsub(/"/, "\\\"", s)
	return "\"" s "\""
}

function check_line()
{
	if (NF != 6)
		bad("6 columns are needed, not " NF)
	if (code !~ /^(0|[1-9][0-9]*|permanent|other)$/)
		bad("\"" code "\" is no code")
	if (code in letter)
		bad("code " code " stands twice")
	if (code ~ /^[0-9]/ && (code > 255 || (n > 0 && code <= last)))
		bad("code " code " is above 255 or not in order")
	if ($2 !~ /^[KDZ]$/ || index("K2 D5 Z4", $2 substr($4, 1, 1)) == 0)
		bad("letter " $2 " does not fit status " $4)
	if ($3 !~ /^(-|QF_[A-Z]+)$/ || $4 !~ /^[245]\.[0-9]\.[0-9]$/)
		bad("error or status is malformed")
	if ($3 != "-" && $3 in owner)
		bad($3 " belongs to " owner[$3] " already")
	if ($5 == "" || $6 == "" || $5 ~ /[^ -~]/ || $6 ~ /[^ -~]/)
		bad("text or meaning is missing or not printable ASCII")
}

BEGIN {
	FS = "|"
}

NR == FNR && /^[ \t]*(#|$)/ {
	next
}

NR == FNR {
	for (i = 1; i <= NF; i++)
		$i = trim($i)
	code = $1 ~ /^[0-9]+$/ ? $1 + 0 : $1
	check_line()
	if (code ~ /^[0-9]/)
		list[n++] = last = code
	letter[code] = $2
	error[code] = $3
	owner[$3] = code
	status[code] = $4
	text[code] = $5
	meaning[code] = $6
	next
}

# From here on the lines are those of PAGE.in.
$0 != "@TABLE@" {
	print
	next
}

{
	for (i = 0; i < n; i++)
		man_item(list[i], list[i])
	man_item("permanent", "11 to 40")
	man_item("other", "other")
}

function man_item(code, name)
{
	print ".It " name " " letter[code] " " status[code]
	print ".Dq " text[code]
	print ".br"
	wrap(meaning[code])
}

# mdoc wants input lines of at most 80 bytes.
function wrap(s,    i)
{
	while (length(s) > 78) {
		for (i = 78; i > 1 && substr(s, i, 1) != " "; i--)
			;
		print substr(s, 1, i - 1)
		s = substr(s, i + 1)
	}
	print s
}

function c_entry(code, number)
{
	return "{" number ", '" letter[code] "', " quoted(text[code]) ", " \
	    quoted(status[code]) ", " quoted(meaning[code]) ", " \
	    (error[code] == "-" ? "0" : error[code]) "}"
}

function c_table(    i)
{
	print "static const struct qf_qqcode listed[] = {"
	for (i = 0; i < n; i++)
		print "    " c_entry(list[i], list[i]) ","
	print "};"
	print "static const struct qf_qqcode permanent ="
	print "    " c_entry("permanent", -1) ";"
	print "static const struct qf_qqcode other ="
	print "    " c_entry("other", -1) ";"
}

function test_table(    i, code)
{
	print "static const struct expected {"
	print "\tint code;"
	print "\tchar letter;"
	print "\tconst char *text, *status;"
	print "} expected[] = {"
	for (i = 0; i < 256; i++) {
		code = i in letter ? i : "other"
		if (code == "other" && i >= 11 && i <= 40)
			code = "permanent"
		print "    {" i ", '" letter[code] "', " \
		    quoted(text[code]) ", " quoted(status[code]) "},"
	}
	print "};"
}

END {
	if (failed)
		exit 1
	if (!("permanent" in letter) || !("other" in letter) || !(0 in letter))
		bad("the entry 0, permanent or other is missing")
	if (mode == "c")
		c_table()
	else if (mode == "test")
		test_table()
}
