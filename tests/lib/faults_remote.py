"""The scenario of faults.py for qfront-remote."""

import itertools
import os
import re

from faults_base import HARMLESS, MAKE, READ, read_file, run, write_file
from faults_send import Smtp

REPORTS = re.compile(rb"(r\0|[hs][^\0]+\0)*[KZD][^\0]+\0")
# Its exit code where reports can not be written.
UNREPORTED = 111


class Remote(Smtp):
    """HOST: where it goes, which CONTROLDIR leads to PORT."""

    processes = ("qfront-remote",)
    runs = itertools.count()

    def attempt(self, env):
        ident = b"%d.%d" % (os.getpid(), next(self.runs))
        self.message = self.template.replace(b"@ID@", ident)
        write_file(self.mail, self.message)
        return run([os.environ["SBIN"] + "/qfront-remote",
                    os.environ["HOST"], "s@x.example", "r@y.example"],
                   dict(os.environ, QFRONT_LOG="stderr", **env),
                   {0: (self.mail, READ), 1: (self.text, MAKE),
                    2: (self.log, MAKE)})

    def judge(self, call, how, code):
        reports = read_file(self.text)
        if code < 0 and how == "kill" and not reports:
            return None
        if code == UNREPORTED and call == "write" and how not in HARMLESS:
            return None
        if code != 0 and how != "kill":
            return "it must exit 0"
        if not REPORTS.fullmatch(reports):
            return "these are no reports: %r" % reports
        if reports.startswith(b"r\0K"):
            return None if self.kept() else "the server does not have it"
        if how in HARMLESS + ("none",):
            return "%r, though %s is harmless" % (reports, how)
        if re.search(rb"(^|\0)[hsD]", reports):
            return "more than a temporary failure: %r" % reports
        return None
