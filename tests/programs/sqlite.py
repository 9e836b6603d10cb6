"""A database in the middle of a transaction: every other round it is committed."""

import sqlite3
import sys
import time

database = sqlite3.connect("numbers.db", isolation_level=None)
database.execute("pragma journal_mode = delete")
database.execute("create table numbers (number integer primary key, square integer)")
number = 0
while True:
    try:
        if number % 2 == 0:
            database.execute("begin immediate")
        database.execute("insert into numbers values (?, ?)", (number, number * number))
        if number % 2 == 1:
            database.execute("commit")
        number += 1
        count, total = database.execute("select count(*), sum(square) from numbers").fetchone()
        if (count, total) != (number, sum(n * n for n in range(number))):
            print(f"fault {count} rows, squares {total}", flush=True)
            sys.exit(1)
    except sqlite3.Error as error:
        print(f"fault {error}", flush=True)
        sys.exit(1)
    print(f"round {number}", flush=True)
    time.sleep(0.02)
