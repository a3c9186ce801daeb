"""Calls block a thread each, and there are only so many."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from acr_refresher.cloud.errors import CloudCall
from acr_refresher.core.model import Function
from acr_refresher.run.ports import Caller, CloudCredentials
from acr_refresher.settings import SETTINGS
from acr_refresher.wiring import Instance
from adapters.loopback import answering, http, tcp_server
from localcloud.demo import FUNCTION_ACCOUNT, REGION

FUNCTION = Function("small", REGION, FUNCTION_ACCOUNT)


def test_a_run_can_hand_on_while_a_service_answers_none_of_its_calls(
    caller: CloudCredentials,
) -> None:
    ended = threading.Event()

    def unanswered(request: Any, options: Any) -> dict[str, Any]:
        del request, options
        ended.wait()
        return {"headers": {}, "body": {}}

    async def scenario(instance: Instance) -> bool:
        call = CloudCall("cs", "cs:Any", "a cluster", "", caller)
        stalled = [
            asyncio.ensure_future(instance.cloud_client.call(call, unanswered, None))
            for _ in range(SETTINGS.cloud_threads)
        ]
        try:
            functions = instance.functions(Caller(caller, REGION))
            return await asyncio.wait_for(functions.start(FUNCTION, b"{}", "task"), 20)
        finally:
            ended.set()
            await asyncio.gather(*stalled)

    with tcp_server(answering(http("202 Accepted"))) as port:
        instance = Instance.new({"ACR_REFRESHER_LOCAL_CLOUD": f"http://127.0.0.1:{port}"})
        try:
            assert asyncio.run(scenario(instance))
        finally:
            instance.close()
