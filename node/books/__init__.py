"""Double-entry books, derived from the log: where every unit of every asset is, at every record.

`Books.post` takes one event after the other and answers the entries it makes. It believes what is
recorded; `BooksCheck` is what the audit asks.
"""

from node.books.book import Books
from node.books.check import BooksCheck
from node.books.entry import Entry

__all__ = ["Books", "BooksCheck", "Entry"]
