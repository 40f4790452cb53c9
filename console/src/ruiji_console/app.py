"""The console as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ruiji_client import RuijiClientError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ruiji_console.console import Console, console_of
from ruiji_console.pages.categories import categories
from ruiji_console.pages.compare import compare_pages
from ruiji_console.pages.experiments import experiments
from ruiji_console.pages.files import item_picture, uploaded_picture
from ruiji_console.pages.find import find, take_picture
from ruiji_console.pages.health import health
from ruiji_console.pages.similar import similar
from ruiji_console.problems import Problem, problem_of_call
from ruiji_console.security import SecurityHeaders
from ruiji_console.settings import ConsoleSettings

_STATIC = Path(__file__).parent / "static"


def create_app(settings: ConsoleSettings) -> Starlette:
    """Return the console; its connection to the server is opened when it starts."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        console = Console(settings)
        app.state.console = console
        yield
        await console.close()

    return Starlette(
        routes=[
            Route("/", find),
            Route("/picture-query", take_picture, methods=["POST"]),
            Route("/similar", similar),
            Route("/compare", compare_pages),
            Route("/categories", categories),
            Route("/health", health),
            Route("/experiments", experiments),
            Route("/pictures", item_picture),
            Route("/uploads/{digest}", uploaded_picture),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        middleware=[
            Middleware(SecurityHeaders, picture_origins=settings.picture_origins),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(settings.allowed_hosts), www_redirect=False),
        ],
        exception_handlers={
            Problem: _show_problem,
            RuijiClientError: _show_failed_call,
            HTTPException: _show_http_error,
            500: _show_defect,
        },
        lifespan=lifespan,
    )


async def _show_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  (the handler of nothing else)
    return console_of(request).page(request, "problem.html.jinja", error.status, problem=error)


async def _show_failed_call(request: Request, error: Exception) -> Response:
    assert isinstance(error, RuijiClientError)  # noqa: S101
    return await _show_problem(request, problem_of_call(error, console_of(request).settings.client.target))


async def _show_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    title = "There is no such page" if error.status_code == 404 else "That did not work"
    return await _show_problem(request, Problem(error.status_code, title, error.detail))


async def _show_defect(request: Request, _error: Exception) -> Response:
    problem = Problem(500, "The console failed", "This is a defect of the console; its log says more.")
    return await _show_problem(request, problem)
