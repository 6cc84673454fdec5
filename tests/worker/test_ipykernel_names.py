"""What programs of the shell's and the kernel's look for by ipykernel's names."""


def test_the_request_at_hand(host):
    host.execute("ip = get_ipython(); first = ip.get_parent()", parent="id-1")
    result = host.execute("second = ip.parent_header\nprint(first['header']['msg_id'], second['header']['msg_id'], sorted(second), "
                          "ip.kernel.get_parent() == second)", parent="id-2")
    assert result.stdout == ("id-1 id-2 ['buffers', 'content', 'header', 'metadata', 'msg_id', 'msg_type', 'parent_header'] "
                             "True\n")


def test_a_thread_that_goes_on_for_a_later_cell(host):
    host.execute("import threading, time\nto_second = threading.Event(); printed = threading.Event()\n"
                 "def work():\n    print('of the first', flush=True)\n    to_second.wait()\n    ip.set_parent(second_parent)\n"
                 "    print('of the second', flush=True)\n    printed.set()\n"
                 "ip = get_ipython(); thread = threading.Thread(target=work); thread.start(); time.sleep(0.1)", parent="id-first")
    result = host.execute("second_parent = ip.get_parent(); to_second.set(); printed.wait()", parent="id-second")
    assert result.stdout == "of the second\n"
    host.execute("ip.set_thread_parent(second_parent)")
    assert host.execute("import sys; sys.stdout.set_parent({}); sys.stderr.parent_header['msg_id']", parent="id-3").result == "'id-3'"
    for wrong in ("{}", "None", "{'header': {'msg_id': 'unknown'}}", "{'header': {'msg_id': []}}"):
        assert host.execute("ip.set_parent(%s); print('here')" % wrong).stdout == "here\n"


def test_the_application_leads_to_the_kernel(host):
    assert host.execute("import IPython\nfrom ipykernel.kernelapp import IPKernelApp\n"
                        "app = IPython.Application.instance()\n"
                        "app is IPKernelApp.instance() and app.kernel is get_ipython().kernel").result == "True"


def test_a_program_that_restarts_itself(fresh):
    for code in ("get_ipython().kernel.do_shutdown(True)", "import IPython; IPython.Application.instance().kernel.do_shutdown(True)"):
        host = fresh()
        result = host.execute("x = 1\nprint('before')\n%s['status']" % code)
        assert result.status == "ok" and result.stdout == "before\n" and result.result == "'ok'"
        assert host.worker_exited()["exit_status"] == 0
        assert host.start_worker()["type"] == "ready"
        assert host.execute("'x' in globals()").result == "False"


def test_edit_says_what_to_do(host):
    for line in ("%edit", "%ed x.py"):
        error = host.execute(line).error
        assert error["ename"] == "UsageError" and "%load" in error["evalue"]
