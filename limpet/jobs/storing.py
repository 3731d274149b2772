"""What a job leaves behind when it is done, and how often it may be done."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

#: ``row``: a durable row in SQL for each page. ``body``: the row, and the page's body
#: in the artifact store.
Store: TypeAlias = Literal["row", "body"]

#: Jobs of one pool with the same key are one job; any text.
IdempotencyKey = Annotated[str, Field(min_length=1, max_length=255)]
