"""``nsa predict --format parquet``: a detector over any number of images, at constant memory.

``predict`` is the whole; images are listed by ``files``, judged by ``here`` in this process or by
``cluster`` on Ray, and their rows (``rows``) are written by ``parts`` into a folder (``store``).
``keys`` knows which files have a row already, ``compact`` leaves one row a file.
"""
