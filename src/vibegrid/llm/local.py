"""The LiteLLM provider `local`: language models in this process, behind the call that reaches hosted models too.

`local/smollm2-135m-instruct` is a base model of config/models.yaml; its folder is the request's `api_base`. Answers are
free, or constrained by the JSON schema of `response_format`. Calls that wait together are answered as one batch.
"""

from __future__ import annotations

import asyncio
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError

PROVIDER = "local"
WRITER = "vibegrid.llm.local_model"  # by name: what every other stage reaches should not hold it
BATCH = 16  # calls at most that are answered together
GATHER_S = 0.05  # in which calls that start together arrive
_NAME = re.compile(rf"{PROVIDER}/[a-z0-9][a-z0-9._-]*")


def program(model: str) -> str:
    """The name of a base model in `local/smollm2-135m-instruct`; InputError where it cannot be one."""
    if not _NAME.fullmatch(model):
        raise InputError(f"model {model}", "no such local model", "local/ and a name of config/models.yaml")
    return model.partition("/")[2]


def register() -> None:
    """Make LiteLLM know the provider; to call it again changes nothing."""
    import litellm

    if not any(item["provider"] == PROVIDER for item in litellm.custom_provider_map):
        litellm.custom_provider_map.append({"provider": PROVIDER, "custom_handler": _handler()})


class Desk:
    """Gathers the calls that wait, and has them answered in batches, in a thread."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Path, Any, asyncio.Future[Any]]] = []
        self._server: asyncio.Task[None] | None = None

    async def answer(self, folder: Path, chat: Any) -> Any:
        """The answer to one chat by the model in `folder`."""
        loop = asyncio.get_running_loop()
        self._waiting = [entry for entry in self._waiting if entry[2].get_loop() is loop]
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((folder, chat, future))
        if self._server is None or self._server.done() or self._server.get_loop() is not loop:
            self._server = asyncio.create_task(self._serve())
        return await future

    async def _serve(self) -> None:
        await asyncio.sleep(GATHER_S)
        while self._waiting:
            folder = self._waiting[0][0]
            batch = [entry for entry in self._waiting if entry[0] == folder][:BATCH]
            self._waiting = [entry for entry in self._waiting if entry not in batch]
            answers = await self._write(folder, [chat for _, chat, _ in batch])
            for (_, _, future), answer in zip(batch, answers, strict=True):
                if future.done():  # given up meanwhile
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
            await asyncio.sleep(GATHER_S)

    @staticmethod
    async def _write(folder: Path, chats: list[Any]) -> list[Any]:
        """Answers, or the error that all of them share."""
        try:
            return await asyncio.to_thread(import_module(WRITER).write, folder, chats)
        except Exception as error:  # the callers' to raise
            return [error] * len(chats)


def _handler() -> Any:
    """An instance of the provider; its class is made here, since its base is slow to import."""
    from litellm import Choices, CustomLLM, Message, Usage
    from litellm.exceptions import BadRequestError

    desk = Desk()

    class Local(CustomLLM):
        async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
            response, model = kwargs["model_response"], f"{PROVIDER}/{kwargs['model']}"
            try:
                if not kwargs.get("api_base"):
                    raise InputError(f"model {model}", "its folder is not given", "api_base is the folder")
                chat = import_module(WRITER).chat(kwargs["messages"], kwargs["optional_params"])
                answer = await desk.answer(Path(kwargs["api_base"]), chat)
            except Exception as error:  # final: LiteLLM would call it a lost connection
                problem = f"{type(error).__name__}: {error}"
                raise BadRequestError(problem, model=model, llm_provider=PROVIDER) from error
            message = Message(role="assistant", content=answer.text)
            response.choices = [Choices(index=0, finish_reason=answer.finish_reason, message=message)]
            response.model = model
            used = answer.prompt_tokens, answer.completion_tokens
            response.usage = Usage(prompt_tokens=used[0], completion_tokens=used[1], total_tokens=sum(used))
            response._hidden_params["response_cost"] = 0.0
            return response

    return Local()
