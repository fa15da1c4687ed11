"""What may be shown: texts without passwords, and in one line without characters that steer a terminal.

>>> shown_url("postgresql://me:s3cr3t@db.example/optuna")
'postgresql://***@db.example/optuna'
>>> masked("could not translate host name cr3t@db", "postgresql://me:s3@cr3t@db/optuna")
'could not translate host name ***@db'
>>> one_line("seven\\x1b[31m.png")
'seven\\\\x1b[31m.png'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

_USER_INFO = re.compile(r"(?<=://)[^/\s]\S*(?=@)")
_NAMES = r"\w*(?:password|passwd|passphrase|pwd|secret|token|api_?key|access_?key)"
_SETTING = re.compile(rf"(?i)\b({_NAMES}\s*(?:=|%3D)\s*)[^&;\s'\"]+")
_PARAMETER = re.compile(rf"(?i)[?&;]({_NAMES})=([^&;]*)")

# A piece of a password that an unescaped @ or / in it has cut off; shorter ones are parts of any word.
_LEAST_PIECE = 3


def masked(text: str, *urls: str | None) -> str:
    """A text without user names and passwords.

    Args:
        text: May hold URLs, or settings such as `password=...`.
        urls: Known to be behind the text; their passwords are not shown in any form, because a driver may repeat
            them decoded, encoded, or the half of one that it took for a host's name.
    """
    secrets = {form for url in urls if url is not None for form in _secrets_of(url)}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _SETTING.sub(r"\1***", _USER_INFO.sub("***", text))


def shown_url(url: str) -> str:
    """A URL as it may be shown: without user name and password."""
    return masked(url, url)


def one_line(text: str) -> str:
    """A text in one line, in which nothing steers a terminal: what cannot be printed is written as its escape."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def _secrets_of(url: str) -> Iterator[str]:
    """Every form in which the passwords of a URL may come back."""
    scheme, separator, rest = url.partition("://")
    before_query = rest.partition("?")[0]
    for part in {rest, before_query}:  # an unescaped password may hold a question mark, a query an @
        info, at, _ = part.rpartition("@")
        if separator and at and ":" in info:
            yield from _forms(info.partition(":")[2])
    for _, value in _PARAMETER.findall(url):
        yield from _forms(value)


def _forms(secret: str) -> Iterator[str]:
    plain = {secret, unquote(secret), unquote_plus(secret)}
    pieces = {piece for each in plain for piece in re.split(r"[@/:?#]", each) if len(piece) >= _LEAST_PIECE}
    for each in plain | pieces:
        for form in (each, quote(each, safe=""), quote(each), quote_plus(each), repr(each)[1:-1]):
            if form:
                yield form
