"""A worker that lies: user code that writes to the channel itself. The host believes no byte of it.

Each attack gets one of two endings: the frame means nothing (the cell goes on), or the sandbox is killed and the cell's
error says so. Either way each request gets its reply and its idle, and the next cell runs.
"""

import pytest

PROLOGUE = """
import gc, json, os, signal, struct, sys, time
from cellblock_worker.channel import Channel
gc.unfreeze()  # what a start has made is among the objects again
channel = next(one for one in gc.get_objects() if type(one) is Channel)
me = __import__('cellblock_worker.cells').cells.current()
def send(data):
    while data: data = data[os.write(channel.fileno(), data[:1 << 16]):]
def frame(header, *buffers):
    if not isinstance(header, bytes): header = json.dumps(header).encode()
    send(struct.pack('>II', len(header), len(buffers)) + b''.join(struct.pack('>I', len(one)) for one in buffers)
         + header + b''.join(buffers))
def stream(cell, text=b'forged', name='stdout'): frame({'type': 'stream', 'cell': cell, 'name': name, 'text': 0}, text)
def show(data, *buffers, metadata=b'{}', **more):
    frame({'type': 'display', 'cell': me, 'kind': 'display_data', 'data': data, 'metadata': len(buffers),
           'display_id': None, 'buffers': [], **more}, *buffers, metadata)
def done(cell, **more):
    frame({'type': 'done', 'cell': cell, 'status': 'ok', 'error': None, 'user_expressions': 0, 'payload': 1, **more},
          b'{}', b'[]')
def comm(kind, **more):
    frame({'type': kind, 'cell': me, 'comm_id': 'c', 'data': 0, 'metadata': 1, 'buffers': [], **more}, b'{}', b'{}')
"""

# What no honest worker sends: the sandbox dies of it, and the cell's error names the rule.
VIOLATIONS = {
    "garbage": "send(bytes(range(256)) * 16)",
    "zeros": "send(bytes(4096))",
    "a_header_of_4_GiB": "send(struct.pack('>II', 0xffffffff, 0))",
    "four_thousand_million_buffers": "send(struct.pack('>II', 10, 0xffffffff))",
    "a_buffer_of_4_GiB": "send(struct.pack('>III', 2, 1, 0xffffffff) + b'{}')",
    "buffers_that_are_too_large_together": "send(struct.pack('>II', 2, 200) + struct.pack('>I', 60 << 20) * 200)",
    "no_json": "frame(b'{\"type\": ')",
    "two_values": "frame(b'{} {}')",
    "no_utf_8": "frame(b'{\"type\": \"\\xff\"}')",
    "a_list": "frame([])",
    "a_number": "frame(7)",
    "no_type": "frame({})",
    "a_type_that_is_a_list": "frame({'type': ['done']})",
    "an_unknown_type": "frame({'type': 'shutdown'})",
    "a_type_of_the_host": "frame({'type': 'execute', 'cell': me, 'code': '1'})",
    "a_header_of_great_depth": "frame(b'{\"type\":' + b'[' * 100_000 + b']' * 100_000 + b'}')",
    "a_value_of_great_depth": "show({'application/json': {'json': 0}}, b'[' * 100_000 + b']' * 100_000)",
    "a_value_that_is_no_json": "show({'application/json': {'json': 0}}, b'{]')",
    "metadata_that_is_a_list": "show({'text/plain': 'x'}, metadata=b'[]')",
    "a_buffer_that_isnt_there": "frame({'type': 'stream', 'cell': me, 'name': 'stdout', 'text': 7}, b'x')",
    "a_buffer_below_zero": "frame({'type': 'stream', 'cell': me, 'name': 'stdout', 'text': -1}, b'x')",
    "a_cell_that_is_text": "stream('1')",
    "a_cell_that_is_a_fraction": "stream(1.5)",
    "a_cell_below_zero": "stream(-1)",
    "a_cell_beyond_64_bits": "stream(1 << 70)",
    "a_stream_of_another_name": "stream(me, name='stdin')",
    "a_stream_that_is_no_text": "stream(me, b'\\xff\\xfe')",
    "output_that_is_a_list": "show(['text/plain'])",
    "a_kind_of_display_that_isnt": "show({'text/plain': 'x'}, kind='execute_input')",
    "the_wardens_hello": "frame({'type': 'hello', 'python': '3', 'pid_namespace': True})",
    "the_wardens_word_that_the_worker_ended": "frame({'type': 'worker_exited', 'exit_status': 0, 'signal': None})",
    "the_wardens_memory_kill": "frame({'type': 'memory_kill'})",
    "starting_again": "frame({'type': 'starting', 'python': '3'})",
    "ready_again": "frame({'type': 'ready', 'python': '3', 'ipython': '8', 'banner': ''})",
    "a_field_that_isnt_in_the_tables": "frame({'type': 'clear_output', 'cell': me, 'wait': False, 'more': 1})",
    "a_buffer_that_no_field_names": "frame({'type': 'clear_output', 'cell': me, 'wait': False}, b'x')",
    "done_with_an_unknown_status": "done(me, status='great')",
    "an_error_without_a_name": "frame({'type': 'error', 'cell': me, 'evalue': 'x', 'traceback': []})",
    "a_traceback_that_is_text": "frame({'type': 'error', 'cell': me, 'ename': 'E', 'evalue': '', 'traceback': 'x'})",
}

# What means nothing, or only something about the liar's own cell.
NOTHING = {
    "output_for_a_cell_to_come": "stream(me + 1000)",
    "output_for_a_cell_long_gone": "stream(max(me - 1, 0))",
    "the_end_of_a_cell_to_come": "done(me + 1)",
    "the_end_of_a_cell_long_gone": "done(1)",
    "a_reply_never_asked_for": "frame({'type': 'reply', 'query': 1, 'content': 0}, b'{\"status\": \"ok\"}')",
    "a_million_replies_never_asked_for": "[frame({'type': 'reply', 'query': n, 'content': 0}, b'{}') for n in range(20_000)]",
    "a_question_where_none_is_allowed": "frame({'type': 'input_request', 'cell': me, 'request': 1, 'prompt': 'password', 'password': True})",
    "its_own_end_twice": "done(me); done(me)",
    "its_own_end_and_output_after_it": "done(me); stream(me)",
    "a_comm_that_isnt_open": "comm('comm_msg')",
    "a_comm_closed_twice": "comm('comm_close'); comm('comm_close')",
    "ten_thousand_comms": "[comm('comm_open', comm_id=str(n), target_name='jupyter.widget', target_module=None) for n in range(10_000)]",
    "an_update_of_nothing": "show({'text/plain': 'x'}, kind='update_display_data', display_id='none')",
    "a_display_id_of_a_megabyte": "show({'text/plain': 'x'}, display_id='x' * (1 << 20))",
    "an_empty_frame_of_text": "stream(me, b'')",
    "a_mime_type_of_two_lines": "show({'text/plain\\r\\nX-Header: 1': 'x'})",
    "ten_thousand_mime_types": "show({'text/x-%d' % n: 'x' for n in range(10_000)})",
    "a_million_empty_frames": "[stream(me, b'') for _ in range(200_000)]",
    "a_count_that_is_a_lie": "show({'text/plain': 'x'}, kind='execute_result', count=10**6)",
}

# The worker's socket used otherwise.
MISUSES = {
    "half_a_frame_and_the_end": "send(struct.pack('>II', 100, 0) + b'{'); os._exit(0)",
    "half_a_frame_and_silence": "send(struct.pack('>II', 100, 0) + b'{'); time.sleep(100)",
    "half_a_frame_and_death": "send(struct.pack('>II', 100, 0) + b'{'); os.kill(os.getpid(), 9)",
    "the_socket_closed": "os.close(channel.fileno())",
    "the_socket_replaced": "os.dup2(os.open('/dev/zero', os.O_RDWR), channel.fileno())",
    "the_socket_shut_down": "import socket; socket.socket(fileno=os.dup(channel.fileno())).shutdown(2)",
    "what_the_host_says_is_read_away": "import threading; f = channel.fileno(); threading.Thread(target=lambda: [os.read(f, 1 << 16) for _ in iter(int, 1)], daemon=True).start()",
    "a_child_keeps_it_open": "if os.fork() == 0:\n    time.sleep(100)\nelse: os._exit(0)",
    "a_child_in_a_session_of_its_own_keeps_it": "if os.fork() == 0:\n    os.setsid(); signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32)); time.sleep(100)\nelse: os._exit(0)",
    "a_child_writes_too": "if os.fork() == 0:\n    for _ in range(1000): os.write(channel.fileno(), b'x' * 100)\n    os._exit(0)\ntime.sleep(100)",
    "descriptors_are_passed": "import array, socket\ns = socket.socket(fileno=os.dup(channel.fileno()))\nfor _ in range(100): s.sendmsg([b'\\0'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0, 1, 2] * 50))])",
    "stopped": "os.kill(os.getpid(), signal.SIGSTOP)",
    "all_stopped": "os.kill(-1, signal.SIGSTOP); os.kill(os.getpid(), signal.SIGSTOP)",
    "deaf_and_blind": "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass",
    "signals_to_the_warden": "for n in range(1, 65):\n    try: os.kill(1, n)\n    except OSError: pass",
    "signals_to_all": "for n in (1, 2, 3, 10, 12, 13, 14, 15):\n    signal.signal(n, signal.SIG_IGN); os.kill(-1, n)",
    "the_wardens_limits": "import resource; resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))",
    "the_wardens_priority": "os.setpriority(os.PRIO_PROCESS, 1, 19); os.sched_setaffinity(1, {0})",
}

ENDINGS = ("ProtocolViolation", "WorkerDied", "CellTimeout", "KeyboardInterrupt", "PermissionError", "OSError",
           "BrokenPipeError", "ProcessLookupError", "MemoryLimit")


@pytest.fixture(scope="module")
def liar(module_place):
    from support.shared import lasting
    yield from lasting(module_place, policy=module_place.policy("liars", limits={
        "cell_time": "2s", "grace_time": "500ms", "memory": "512MiB", "output": "4MiB"}, outputs={"comms": ["jupyter.widget"]}))


def lie(liar, code):
    """Runs it; gives its run, once another cell has run well and nothing is odd about either."""
    kernel = liar.kernel()
    client = kernel.client
    request = client.execute(PROLOGUE + code, allow_stdin=False)
    run = client.finish(request)
    assert run.states == ["busy", "idle"] and len(run.replies) == 1, run
    for _ in range(2):  # the cell after it may be the one that hears of it
        after = client.run("6 * 7")
        assert after.states == ["busy", "idle"], after
        if after.status == "ok":
            break
        assert after.content["ename"] in ENDINGS, after.content
    assert after.result == "42"
    after_it = client.log[client.log.index(run.messages[-1]):]
    assert not [one for one in client.log if one.type == "input_request"]
    assert all("forged" not in str(one.content) for one in after_it if one.parent_id == after.id)
    assert kernel.alive() and kernel.peak_memory() < 200 << 20
    return run


@pytest.mark.parametrize("name", VIOLATIONS)
def test_ends_the_sandbox(liar, name):
    run = lie(liar, VIOLATIONS[name])
    assert run.status == "error" and run.content["ename"] == "ProtocolViolation", run.content
    assert "broke the channel's rules: " in run.content["evalue"], run.content


@pytest.mark.parametrize("name", NOTHING)
def test_means_nothing_to_others(liar, name):
    run = lie(liar, NOTHING[name])
    assert run.status == "ok" or run.content["ename"] in ENDINGS, run.content


@pytest.mark.parametrize("name", MISUSES)
def test_ends_the_sandbox_at_most(liar, name):
    run = lie(liar, MISUSES[name])
    assert run.status == "ok" or run.content["ename"] in ENDINGS, run.content
