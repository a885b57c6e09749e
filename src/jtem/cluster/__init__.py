"""A run on other processes: a chunk of columns is a task of Dask (``pip install 'jtem[distributed]'``).

``worker`` is what a worker does with a chunk, ``driver`` hands chunks out and waits for them, ``places`` says where workers are.
Cells do not speak to one another, so a task needs nothing of another one: it reads its inputs itself and writes its own part of
the store, or returns it. Retries, lost workers and waiting are Dask's.
"""
