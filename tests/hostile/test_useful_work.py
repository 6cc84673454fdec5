"""What the wall must let through: scientific Python, the shell, a working directory."""


def test_scientific_python_works(host):
    assert "ok" in host.out("""
        import numpy, pandas, matplotlib.pyplot as plt, multiprocessing, subprocess, threading, sqlite3, tempfile
        assert numpy.linalg.svd(numpy.random.rand(200, 200))[1].shape == (200,)
        assert pandas.DataFrame({'a': range(10)}).groupby('a').sum().shape == (10, 0)
        context = multiprocessing.get_context('fork')
        with context.Pool(2) as pool: assert pool.map(abs, [-1, -2]) == [1, 2]
        assert subprocess.run(['ls', '/'], capture_output=True, text=True).stdout
        assert multiprocessing.Queue() and tempfile.NamedTemporaryFile()
        thread = threading.Thread(target=print, args=('thread',)); thread.start(); thread.join()
        import os, pty
        master, slave = pty.openpty(); assert os.ttyname(slave).startswith('/dev/pts/')
        plt.plot([1, 2]); plt.savefig('/work/a.png')
        import time; assert time.localtime()
        print('ok')
    """)


def test_shell_escapes_work(host):
    assert "cell" in host.out("!whoami")


def test_the_default_working_directory_is_empty_and_writable(host):
    assert host.out("import os; print(os.listdir('.')); open('a', 'w').write('x')").strip().endswith("[]")
    assert not (host.folder / "a").exists()
