"""One program, one disk, and cut after cut."""

import contextlib
import shutil
import tempfile
import time

import disk
import load
import mail
import power
import subjects

SYNCED = "synced"  # the clients end and all is synced before the cut
CLIENTS = 8
GRACE = 1  # seconds
TOLD = 10  # losses of one cut that are printed


class Trial:
    """One program on one disk: its queue lives through many cuts."""

    def __init__(self, options, subject, a_disk, choose):
        self.options, self.subject, self.disk = options, subject, a_disk
        self.choose = choose
        self.maker = mail.Maker(options.seed, subject.fates, subject.binary)
        self.next = 1

    def __enter__(self):
        self.disk.format()
        self.disk.mount()
        try:
            self.subject.make(self.disk.top)
            self._quiet()
            self.disk.sync()
        except BaseException:
            self.__exit__(True)
            raise
        return self

    def __exit__(self, error, *_):
        self._quiet()
        # After an error it may be unmounted.
        with contextlib.suppress(*([disk.Failed] if error else [])):
            self.disk.unmount()

    def _quiet(self):
        """Nothing of the program runs."""
        power.off()
        self.subject.powered_off()

    def cut(self, scenario):
        """One cut: how many messages were accepted, and the verdict."""
        subject = self.subject
        clients, most = (1, 1) if scenario == "idle" else (
            CLIENTS, self.options.load)
        work = load.Load(subject.submit, self.maker, self.next, clients, most)
        self.next += most
        events = load.Events(subject.path("events"))
        events.start()
        subject.start()
        if scenario == "delivery":
            subject.start_sender(events.path)
        work.start()
        self._wait(scenario, work, events.seen)
        work.stop()
        self.disk.cut()
        self._end(work)
        events.close()
        self.disk.unmount()
        kept = self._keep()
        self.disk.mount()
        copies = subject.recover()
        self._quiet()
        verdict = mail.Judge(self.maker, work).look(copies)
        self.disk.sync()
        self._tell(verdict, kept, work)
        return len(work.accepted), verdict

    def _wait(self, scenario, work, delivered):
        """Until the moment of the cut."""
        if scenario == SYNCED:
            work.join(load.PATIENCE)
            self.disk.sync()
            return
        most = work.most
        counter, over = work.acknowledged, work.over
        if scenario == "delivery":
            counter, over = delivered, lambda: False
        n = self.choose.randrange(1, most + 1)
        if not counter.wait_for(n, over) or not work.begun:
            raise disk.Failed(
                f"{self.subject.name}: waited for {n} of its messages, there "
                f"are {counter.n}; exit codes {work.codes}:\n"
                f"{subjects.tail(self.subject.log)}")
        # Somewhere in what goes on now, and not always just behind it.
        time.sleep(self.choose.choice((0, self.choose.random() * 0.005)))

    def _end(self, work):
        """No power: nobody lives on, but for a moment in which programs see a
        disk that has failed. Some would try for ever."""
        work.join(GRACE)
        power.kill()
        while not work.join(0.1):
            power.kill()  # what a client had still started
        self._quiet()

    def _keep(self):
        if not self.options.keep or not self.subject.ours:
            return None
        kept = self.subject.path("kept.image")
        self.disk.keep(kept)
        return kept

    def _tell(self, verdict, kept, work):
        """What a cut has shown, for those who look for the reason."""
        fate = {n: self.maker.make(n).fate for n in work.begun}
        lines = [f"message {n} ({fate[n]}): accepted and lost"
                 for n in verdict.lost]
        lines += [f"message {n} ({fate[n]}): accepted after the cut, and lost"
                  for n in verdict.late]
        lines += verdict.corrupt
        if not lines:
            return
        if self.subject.ours:
            for line in lines[:TOLD]:
                print(f"{self.subject.name}, {self.disk.kind}: {line}")
            if len(lines) > TOLD:
                print(f"and {len(lines) - TOLD} more")
        if kept:
            folder = tempfile.mkdtemp(dir=self.options.keep)
            shutil.move(kept, folder + "/disk.image")
            shutil.copy(self.subject.log, folder + "/log")
            with open(folder + "/report", "w", encoding="ascii") as f:
                f.writelines(line + "\n" for line in lines)
                f.write(f"exit codes: {work.codes}\n")
