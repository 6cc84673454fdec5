#!/usr/bin/python3
"""A systemd that makes no scope: what unit tests ask on a bus of their own.

    fake_systemd.py MODE: prints "ready" once it has the name, then one line of JSON for each scope that it is asked for

MODE is what it answers with: done, failed (the job's result), refusal, silence, or rubbish (a reply and a signal of other types). It
needs python3-dbus and python3-gi, and a bus at $DBUS_SESSION_BUS_ADDRESS. It ends with the bus.
"""

import json
import sys

import dbus
import dbus.lowlevel
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NAME = "org.freedesktop.systemd1"
MANAGER = NAME + ".Manager"
PATH = "/org/freedesktop/systemd1"
JOB = PATH + "/job/7"


def plain(value):
    if isinstance(value, (dbus.Array, tuple)):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, str) else int(value)


class Manager(dbus.service.Object):
    def __init__(self, bus, mode):
        super().__init__(bus, PATH)
        self.mode = mode

    @dbus.service.signal(MANAGER, signature="uoss")
    def JobRemoved(self, number, job, unit, result):
        pass

    @dbus.service.method(MANAGER, in_signature="ssa(sv)a(sa(sv))", out_signature="o", async_callbacks=("reply", "refuse"))
    def StartTransientUnit(self, name, mode, properties, others, reply, refuse):
        asked = {"name": str(name), "mode": str(mode), "others": len(others),
                 "properties": {str(key): plain(value) for key, value in properties}}
        print(json.dumps(asked), flush=True)
        if self.mode == "refusal":
            refuse(dbus.DBusException("Not today.\x1b[31m", name=NAME + ".Refused"))
        elif self.mode == "rubbish":
            message = dbus.lowlevel.SignalMessage(PATH, MANAGER, "JobRemoved")
            message.append("7", JOB, str(name), "done", signature="ssss")
            self.connection.send_message(message)
            reply(dbus.ObjectPath(JOB))
        elif self.mode != "silence":
            reply(dbus.ObjectPath(JOB))
            self.JobRemoved(6, JOB + "0", "another.scope", "failed")
            self.JobRemoved(7, JOB, name, self.mode)


def main():
    DBusGMainLoop(set_as_default=True)
    bus = dbus.SessionBus()
    bus.set_exit_on_disconnect(True)
    name = dbus.service.BusName(NAME, bus)
    manager = Manager(bus, sys.argv[1])
    print("ready", flush=True)
    GLib.MainLoop().run()
    del name, manager


if __name__ == "__main__":
    main()
