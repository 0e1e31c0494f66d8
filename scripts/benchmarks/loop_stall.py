"""How long an asyncio program's loop stands still while the database answers in 500 ms, and what the doorbell feels of it.

Measured: one event loop on which players without a rating enqueue all the time, each looked up in Postgres behind a
proxy that holds every answer back for 500 ms; on the same loop a coroutine that does nothing but sleep for a millisecond
and note how late it wakes, beyond the time for which the machine gave the process no core. And pairs of players with
ratings, whose match is made by a matcher process: from the second enqueue to the moment both listeners, on this loop
too, have heard. Against: the same, in turns, with nobody looked up.

Only what blocks the loop counts as a stall: each late wake-up is taken less the time in which the kernel had the thread
waiting for a core (``/proc/self/schedstat``), for which nothing in the program can be blamed.
"""
