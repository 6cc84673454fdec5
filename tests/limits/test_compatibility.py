"""What the jail must not break: scientific Python, threads, processes, subprocesses, sockets, files, terminals."""

import textwrap

import pytest
from limits.conftest import shared_with

shared = shared_with({"memory": "2GiB", "cell_time": "60s"})

# Name → a cell whose last line must be True.
WORKS = {
    "numpy": """
        import numpy
        a = numpy.eye(400)
        bool(((a @ a) == a).all()) and numpy.linalg.svd(a)[1].sum() > 399""",
    "numpy_threads": """
        import numpy, threading
        threads = [threading.Thread(target=lambda: numpy.ones((300, 300)) @ numpy.ones((300, 300))) for _ in range(8)]
        [one.start() for one in threads]; [one.join() for one in threads]
        True""",
    "numpy_memmap": """
        import numpy
        m = numpy.memmap('/tmp/memmap', dtype='i4', mode='w+', shape=(100,))
        m[:] = 7; m.flush()
        int(numpy.fromfile('/tmp/memmap', dtype='i4').sum()) == 700""",
    "scipy": """
        import scipy.optimize, scipy.fft, scipy.sparse.linalg
        abs(scipy.optimize.minimize(lambda x: (x - 1) ** 2, 0).x[0] - 1) < 1e-3""",
    "pandas": """
        import pandas, io
        frame = pandas.read_csv(io.StringIO('a,b\\n1,2\\n1,3\\n'))
        frame.to_pickle('/tmp/frame.pkl')
        int(pandas.read_pickle('/tmp/frame.pkl').groupby('a').sum().b.iloc[0]) == 5""",
    "matplotlib": """
        import matplotlib.pyplot as plt
        plt.figure(); plt.plot([1, 2]); plt.savefig('/tmp/a.pdf'); plt.close('all')
        open('/tmp/a.pdf', 'rb').read(4) == b'%PDF'""",
    "scikit_learn": """
        import numpy, sklearn.ensemble
        x = numpy.random.RandomState(0).rand(60, 3)
        sklearn.ensemble.RandomForestClassifier(8, n_jobs=2).fit(x, x[:, 0] > .5).score(x, x[:, 0] > .5) > .9""",
    "joblib": """
        import joblib
        joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(-n) for n in range(4)) == [0, 1, 2, 3]""",
    "joblib_large_arrays": """
        import joblib, numpy
        big = numpy.ones(2_000_000)
        joblib.Parallel(n_jobs=2, max_nbytes='1M')(joblib.delayed(numpy.sum)(big) for _ in range(2)) == [2e6, 2e6]""",
    "multiprocessing_fork": """
        import multiprocessing
        with multiprocessing.get_context('fork').Pool(2) as pool: got = pool.map(abs, [-1, -2])
        got == [1, 2]""",
    "multiprocessing_spawn": """
        import multiprocessing
        with multiprocessing.get_context('spawn').Pool(2) as pool: got = pool.map(abs, [-1, -2])
        got == [1, 2]""",
    "multiprocessing_forkserver": """
        import multiprocessing
        with multiprocessing.get_context('forkserver').Pool(2) as pool: got = pool.map(abs, [-1, -2])
        got == [1, 2]""",
    "multiprocessing_manager": """
        import multiprocessing
        with multiprocessing.Manager() as manager: d = manager.dict(a=1); got = dict(d)
        got == {'a': 1}""",
    "multiprocessing_values": """
        import multiprocessing
        v = multiprocessing.Value('i', 3); q = multiprocessing.Queue(); q.put(v.value)
        q.get(timeout=10) == 3""",
    "shared_memory": """
        from multiprocessing import shared_memory
        s = shared_memory.SharedMemory(create=True, size=1 << 20); s.buf[0] = 9; ok = s.buf[0] == 9
        s.close(); s.unlink(); ok""",
    "process_pool": """
        import concurrent.futures
        with concurrent.futures.ProcessPoolExecutor(2) as pool: got = list(pool.map(abs, [-1, -2]))
        got == [1, 2]""",
    "asyncio_subprocess": """
        import asyncio
        child = await asyncio.create_subprocess_exec('echo', 'hi', stdout=asyncio.subprocess.PIPE)
        (await child.communicate())[0] == b'hi\\n'""",
    "asyncio_server": """
        import asyncio
        async def echo(reader, writer): writer.write(await reader.read(1)); writer.close()
        server = await asyncio.start_server(echo, '127.0.0.1', 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b'x'); got = await reader.read(1); server.close(); got == b'x'""",
    "unix_sockets": """
        import socket
        a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [0])
        len(socket.recv_fds(b, 1, 1)[1]) == 1""",
    "subprocess": """
        import subprocess
        subprocess.run('ls / | sort | head -1', shell=True, capture_output=True, text=True).stdout == 'bin\\n'""",
    "shell_tools": """
        import subprocess
        line = 'cd /tmp && mkdir -p s && cp /etc/hosts s/ && tar czf s.tgz s && tar xzf s.tgz && find s | wc -l && sync'
        subprocess.run(line, shell=True, capture_output=True, text=True).stdout.strip() == '2'""",
    "process_list": """
        import psutil
        psutil.virtual_memory().total > 0 and len(psutil.pids()) >= 2 and psutil.Process().memory_info().rss > 0""",
    "file_operations": """
        import os, shutil, fcntl
        os.makedirs('/tmp/f/g', exist_ok=True); shutil.copy2('/etc/hosts', '/tmp/f/g/')
        shutil.copytree('/tmp/f', '/tmp/h'); os.rename('/tmp/h/g/hosts', '/tmp/h/moved'); os.mkfifo('/tmp/h/fifo')
        os.symlink('moved', '/tmp/h/link'); os.link('/tmp/h/moved', '/tmp/h/hard'); os.chmod('/tmp/h/moved', 0o600)
        f = open('/tmp/h/moved', 'a'); fcntl.flock(f, fcntl.LOCK_EX); os.fsync(f.fileno()); os.utime('/tmp/h/moved')
        shutil.rmtree('/tmp/h'); not os.path.exists('/tmp/h')""",
    "sqlite": """
        import sqlite3
        base = sqlite3.connect('/tmp/base'); base.execute('pragma journal_mode=wal'); base.execute('create table t(a)')
        base.execute('insert into t values (1)'); base.commit(); base.execute('select * from t').fetchall() == [(1,)]""",
    "pseudo_terminals": """
        import pty, os
        leader, follower = pty.openpty(); os.write(follower, b'a'); got = os.read(leader, 1); got == b'a'""",
    "zmq_over_tcp": """
        import zmq
        context = zmq.Context(); one = context.socket(zmq.PAIR); port = one.bind_to_random_port('tcp://127.0.0.1')
        two = context.socket(zmq.PAIR); two.connect('tcp://127.0.0.1:%d' % port); two.send(b'sent'); got = one.recv()
        context.destroy(0); got == b'sent'""",
    "signals_and_timers": """
        import signal, os
        heard = []; old = signal.signal(signal.SIGUSR1, lambda *_: heard.append(1)); os.kill(os.getpid(), signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, old); signal.setitimer(signal.ITIMER_VIRTUAL, 0); heard == [1]""",
    "shared_mappings": """
        import mmap, os
        shared = mmap.mmap(-1, 4096); child = os.fork()
        if child == 0: shared[0] = 5; os._exit(0)
        os.waitpid(child, 0); shared[0] == 5""",
    "random_and_uuid": """
        import uuid, secrets, tempfile
        uuid.uuid4() != uuid.uuid4() and len(secrets.token_bytes(32)) == 32 and tempfile.mkdtemp() != ''""",
    "tasks_of_the_scheduler": """
        import os
        os.sched_setaffinity(0, os.sched_getaffinity(0)); os.sched_yield(); os.cpu_count() >= 1""",
}


@pytest.mark.parametrize("name", WORKS)
def test_works(shared, name):
    cell = textwrap.dedent(WORKS[name]).strip()
    assert shared.kernel().client.run(cell).ok().result == "True"
