"""Whether a streamed answer is whole: pure, incremental, fed with raw pieces of any size.

Must not know any client, nor what is done about it.
"""
