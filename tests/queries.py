"""What a PromQL query asks for."""

from typing import Any

import promql_parser


def metrics_of(query: str) -> set[str]:
    """The metrics that a query reads. Raises: ValueError: it does not parse."""
    return _names(promql_parser.parse(query))


def _names(expression: Any) -> set[str]:
    if isinstance(expression, promql_parser.VectorSelector):
        return {expression.name} if expression.name else set()
    parts = [getattr(expression, part, None) for part in ("expr", "lhs", "rhs", "vector_selector")]
    inner = [*filter(None, parts), *(getattr(expression, "args", None) or [])]
    return set().union(*map(_names, inner)) if inner else set()
