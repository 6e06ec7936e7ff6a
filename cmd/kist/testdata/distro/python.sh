cat >hello.py <<'END'
import ctypes, hashlib, os, sqlite3, ssl, subprocess, sys, zlib
assert not any(os.environ.get(name) for name in ("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME", "PYTHONPATH"))
print("hello from Python", sys.version_info[:2], sqlite3.connect(":memory:").execute("select 1").fetchone())
print(subprocess.check_output([sys.executable, "-c", "print('and from a child')"], text=True))
END
python3 hello.py
python3 -m venv --without-pip venv
venv/bin/python3 -c 'import sys; assert sys.prefix != sys.base_prefix and sys.prefix.endswith("venv")'
