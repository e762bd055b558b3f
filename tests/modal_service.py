"""A stand-in of Modal's service for tests: a gRPC server on loopback with the calls that this project makes.

The real client talks to it (MODAL_SERVER_URL), and each input runs in a real container process,
`python -m modal._container_entrypoint`, whose `vibegrid` is what was uploaded: site files are not read, so that the
project's own installation is not there. A container has a copy of each volume; only what is committed leaves it.

Not here: machines, GPUs, building of images (their commands are kept), limits, secrets' values, time-outs.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from grpclib.const import Handler
from modal._utils.grpc_testing import patch_mock_servicer
from modal_containers import Call, Container, State, commit, load, start
from modal_proto import api_grpc, api_pb2

SUCCESS = api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)
FAILURE = api_pb2.GenericResult.GENERIC_STATUS_FAILURE
ASYNC = api_pb2.FUNCTION_CALL_INVOCATION_TYPE_ASYNC


def as_data(made: Any) -> Any:
    """A function's definition, as the service hands it out."""
    return api_pb2.FunctionData(ranked_functions=[api_pb2.FunctionData.RankedFunction(rank=0, function=made)])


@patch_mock_servicer
class Service(api_grpc.ModalClientBase):
    """The server of clients, or that of one container."""

    def __init__(self, state: State, container: Container | None = None) -> None:
        self.state, self.container = state, container

    def __mapping__(self) -> dict[str, Handler]:
        """Every call is written down, and refused during an outage."""
        return {path: self._guarded(path, handler) for path, handler in super().__mapping__().items()}

    def _guarded(self, path: str, handler: Handler) -> Handler:
        async def guarded(stream: Any) -> None:
            self.state.requests.append(path.rsplit("/", 1)[1])
            if self.container is None and time.monotonic() < self.state.unavailable_until:
                raise GRPCError(Status.UNAVAILABLE, "an outage, for a test")
            await handler.func(stream)

        return handler._replace(func=guarded)

    # apps, images, files ----------------------------------------------------------------------------------------

    async def ClientHello(self, stream: Any) -> None:
        await stream.recv_message()
        if stream.metadata.get("x-modal-token-secret") == "wrong":
            raise GRPCError(Status.UNAUTHENTICATED, "Token validation failed")
        await stream.send_message(api_pb2.ClientHelloResponse())

    async def AuthTokenGet(self, stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(api_pb2.AuthTokenGetResponse(token="token"))

    async def EnvironmentGetOrCreate(self, stream: Any) -> None:
        await stream.recv_message()
        settings = api_pb2.EnvironmentSettings(image_builder_version="2025.06")
        metadata = api_pb2.EnvironmentMetadata(name="main", settings=settings)
        await stream.send_message(api_pb2.EnvironmentGetOrCreateResponse(environment_id="en-1", metadata=metadata))

    async def AppGetByDeploymentName(self, stream: Any) -> None:
        request = await stream.recv_message()
        found = f"ap-{request.name}" if request.name in self.state.apps else ""
        await stream.send_message(api_pb2.AppGetByDeploymentNameResponse(app_id=found))

    async def AppGetLayout(self, stream: Any) -> None:
        request = await stream.recv_message()
        ids = self.state.apps[request.app_id.removeprefix("ap-")]
        await stream.send_message(api_pb2.AppGetLayoutResponse(app_layout=api_pb2.AppLayout(function_ids=ids)))

    async def AppCreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        await stream.send_message(api_pb2.AppCreateResponse(app_id=f"ap-{request.description}"))

    async def AppPublish(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.state.apps[request.name] = dict(request.function_ids)
        await stream.send_message(api_pb2.AppPublishResponse(url="http://localhost", deployed_at=time.time()))

    async def AppHeartbeat(self, stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(Empty())

    async def AppClientDisconnect(self, stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(Empty())

    async def AppList(self, stream: Any) -> None:
        await stream.recv_message()
        apps = [
            api_pb2.AppListResponse.AppListItem(
                app_id=f"ap-{name}",
                name=name,
                description=name,
                state=api_pb2.APP_STATE_DEPLOYED,
                created_at=time.time(),
            )
            for name in self.state.apps
        ]
        await stream.send_message(api_pb2.AppListResponse(apps=apps))

    async def AppStop(self, stream: Any) -> None:
        request = await stream.recv_message()
        del self.state.apps[request.app_id.removeprefix("ap-")]
        await stream.send_message(Empty())

    async def ImageGetOrCreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        image_id = "im-" + hashlib.sha256(request.image.SerializeToString(deterministic=True)).hexdigest()[:12]
        self.state.images[image_id] = request.image
        metadata = api_pb2.ImageMetadata(image_builder_version="2025.06")
        await stream.send_message(
            api_pb2.ImageGetOrCreateResponse(image_id=image_id, result=SUCCESS, metadata=metadata)
        )

    async def MountBatchedCheckExistence(self, stream: Any) -> None:
        request = await stream.recv_message()
        missing = [one for one in request.sha256_hex_hashes if one not in self.state.contents]
        await stream.send_message(api_pb2.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=missing))

    async def MountPutFile(self, stream: Any) -> None:
        request = await stream.recv_message()
        kind = request.WhichOneof("data_oneof")
        if kind is not None:
            data = request.data if kind == "data" else self.state.blobs[request.data_blob_id]
            assert hashlib.sha256(data).hexdigest() == request.sha256_hex
            self.state.contents[request.sha256_hex] = data
        await stream.send_message(api_pb2.MountPutFileResponse(exists=request.sha256_hex in self.state.contents))

    async def MountGetOrCreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        mount_id = self.state.new_id("mo")
        self.state.mounts[mount_id] = {file.filename: file.sha256_hex for file in request.files}
        await stream.send_message(api_pb2.MountGetOrCreateResponse(mount_id=mount_id))

    async def SecretGetOrCreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        if request.deployment_name not in self.state.secrets:
            raise GRPCError(Status.NOT_FOUND, f"Secret '{request.deployment_name}' not found")
        await stream.send_message(api_pb2.SecretGetOrCreateResponse(secret_id=f"st-{request.deployment_name}"))

    async def BlobCreate(self, stream: Any) -> None:
        await stream.recv_message()
        blob_id = self.state.new_id("bl")
        urls = api_pb2.UploadUrlList(items=[f"{self.state.http}/{blob_id}"])
        await stream.send_message(api_pb2.BlobCreateResponse(blob_ids=[blob_id], upload_urls=urls))

    async def BlobGet(self, stream: Any) -> None:
        request = await stream.recv_message()
        await stream.send_message(api_pb2.BlobGetResponse(download_url=f"{self.state.http}/{request.blob_id}"))

    # volumes and queues -----------------------------------------------------------------------------------------

    async def VolumeGetOrCreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        create = request.object_creation_type == api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
        if not create and not (self.state.folder / "volumes" / request.deployment_name).is_dir():
            raise GRPCError(Status.NOT_FOUND, f"Volume '{request.deployment_name}' not found")
        self.state.volume(request.deployment_name)
        metadata = api_pb2.VolumeMetadata(version=api_pb2.VOLUME_FS_VERSION_V1, name=request.deployment_name)
        reply = api_pb2.VolumeGetOrCreateResponse(volume_id=f"vo-{request.deployment_name}", metadata=metadata)
        await stream.send_message(reply)

    async def VolumePutFiles(self, stream: Any) -> None:
        request = await stream.recv_message()
        for file in request.files:
            path = self.state.volume(request.volume_id) / file.filename.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.state.contents[file.sha256_hex])
        await stream.send_message(Empty())

    async def VolumeListFiles(self, stream: Any) -> None:
        request = await stream.recv_message()
        base = self.state.volume(request.volume_id)
        path = base / request.path.lstrip("/")
        if not path.exists():
            raise GRPCError(Status.NOT_FOUND, f"{request.path}: no such file or directory")
        found = [path] if path.is_file() else sorted(path.rglob("*") if request.recursive else path.iterdir())
        entries = [
            api_pb2.FileEntry(
                path=str(each.relative_to(base)),
                type=api_pb2.FileEntry.DIRECTORY if each.is_dir() else api_pb2.FileEntry.FILE,
                size=each.stat().st_size,
                mtime=int(each.stat().st_mtime),
            )
            for each in found
        ]
        await stream.send_message(api_pb2.VolumeListFilesResponse(entries=entries))

    async def VolumeRemoveFile(self, stream: Any) -> None:
        request = await stream.recv_message()
        path = self.state.volume(request.volume_id) / request.path.lstrip("/")
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        await stream.send_message(Empty())

    async def VolumeCommit(self, stream: Any) -> None:
        request = await stream.recv_message()
        assert self.container is not None, "only a container commits"
        commit(self.state, self.container, request.volume_id)
        await stream.send_message(api_pb2.VolumeCommitResponse(skip_reload=True))

    async def VolumeReload(self, stream: Any) -> None:
        request = await stream.recv_message()
        assert self.container is not None, "only a container reloads"
        commit(self.state, self.container, request.volume_id)
        load(self.state, self.container, request.volume_id)
        await stream.send_message(Empty())

    async def QueueGetOrCreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        await stream.send_message(api_pb2.QueueGetOrCreateResponse(queue_id=f"qu-{request.deployment_name}"))

    async def QueuePut(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.state.queues[request.partition_key.decode()].extend(request.values)
        await stream.send_message(Empty())

    async def QueueGet(self, stream: Any) -> None:
        request = await stream.recv_message()
        waiting = self.state.queues[request.partition_key.decode()]
        values, waiting[:] = waiting[: request.n_values], waiting[request.n_values :]
        await stream.send_message(api_pb2.QueueGetResponse(values=values))

    # functions and calls ----------------------------------------------------------------------------------------

    def _metadata(self, function_id: str) -> Any:
        made = self.state.functions[function_id]
        formats = [api_pb2.DATA_FORMAT_PICKLE, api_pb2.DATA_FORMAT_CBOR]
        return api_pb2.FunctionHandleMetadata(
            function_name=made.function_name,
            function_type=made.function_type,
            definition_id=f"de-{function_id}",
            supported_input_formats=formats,
            supported_output_formats=formats,
        )

    async def FunctionPrecreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        function_id = request.existing_function_id or self.state.new_id("fu")
        self.state.functions[function_id] = api_pb2.Function(
            function_name=request.function_name, function_type=request.function_type
        )
        metadata = self._metadata(function_id)
        await stream.send_message(api_pb2.FunctionPrecreateResponse(function_id=function_id, handle_metadata=metadata))

    async def FunctionCreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        function_id = request.existing_function_id
        self.state.functions[function_id] = request.function
        reply = api_pb2.FunctionCreateResponse(
            function_id=function_id,
            function=request.function,
            function_data=as_data(request.function),
            handle_metadata=self._metadata(function_id),
        )
        await stream.send_message(reply)

    async def FunctionGet(self, stream: Any) -> None:
        request = await stream.recv_message()
        function_id = self.state.apps.get(request.app_name, {}).get(request.object_tag)
        if function_id is None:
            raise GRPCError(Status.NOT_FOUND, f"No function {request.object_tag} in app {request.app_name}")
        reply = api_pb2.FunctionGetResponse(
            function_id=function_id,
            function=as_data(self.state.functions[function_id]),
            handle_metadata=self._metadata(function_id),
        )
        await stream.send_message(reply)

    async def FunctionBindParams(self, stream: Any) -> None:
        request = await stream.recv_message()
        options = request.function_options
        bound = f"{request.function_id}-{hashlib.sha256(options.SerializeToString()).hexdigest()[:8]}"
        self.state.functions[bound] = self.state.functions[request.function_id]
        self.state.options[bound] = options
        reply = api_pb2.FunctionBindParamsResponse(bound_function_id=bound, handle_metadata=self._metadata(bound))
        await stream.send_message(reply)

    async def FunctionMap(self, stream: Any) -> None:
        request = await stream.recv_message()
        assert request.function_call_invocation_type == ASYNC, "the project spawns"
        call = Call(self.state.new_id("fc"), request.function_id, request.pipelined_inputs[0].input)
        self.state.calls[call.id] = call
        await start(self.state, call, Service)
        taken = api_pb2.FunctionPutInputsResponseItem(idx=0, input_id=f"in-{call.id}")
        await stream.send_message(api_pb2.FunctionMapResponse(function_call_id=call.id, pipelined_inputs=[taken]))

    async def FunctionGetOutputs(self, stream: Any) -> None:
        request = await stream.recv_message()
        call, until = self.state.calls.get(request.function_call_id), time.monotonic() + request.timeout
        if call is None:
            raise GRPCError(Status.NOT_FOUND, f"no call {request.function_call_id}")
        while call.output is None and time.monotonic() < until:
            await asyncio.sleep(0.02)
        outputs = [] if call.output is None else [call.output]
        reply = api_pb2.FunctionGetOutputsResponse(outputs=outputs, num_unfinished_inputs=1 - len(outputs))
        await stream.send_message(reply)

    async def FunctionCallCancel(self, stream: Any) -> None:
        request = await stream.recv_message()
        call = self.state.calls[request.function_call_id]
        call.cancelled = True
        if request.terminate_containers and call.container is not None and call.container.process is not None:
            call.container.process.kill()
        result = api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_TERMINATED, exception="cancelled")
        call.output = api_pb2.FunctionGetOutputsItem(result=result, idx=0)
        await stream.send_message(Empty())

    # containers -------------------------------------------------------------------------------------------------

    async def ContainerHello(self, stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(Empty())

    async def ContainerHeartbeat(self, stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(api_pb2.ContainerHeartbeatResponse())

    async def FunctionGetInputs(self, stream: Any) -> None:
        await stream.recv_message()
        assert self.container is not None
        until = time.monotonic() + 20.0
        while time.monotonic() < until:
            for call in () if self.state.full else self.state.calls.values():
                if call.container is self.container and call.queued:
                    call.queued, call.starts = False, call.starts + 1
                    item = api_pb2.FunctionGetInputsItem(
                        input_id=f"in-{call.id}",
                        input=call.input,
                        function_call_id=call.id,
                        retry_count=call.attempts,
                        function_call_invocation_type=ASYNC,
                    )
                    return await stream.send_message(api_pb2.FunctionGetInputsResponse(inputs=[item]))
            await asyncio.sleep(0.02)
        await stream.send_message(api_pb2.FunctionGetInputsResponse())

    async def FunctionPutOutputs(self, stream: Any) -> None:
        request = await stream.recv_message()
        for item in request.outputs:
            call = self.state.calls[item.input_id.removeprefix("in-")]
            retries = self.state.options[call.function_id].retry_policy.retries
            if item.result.status == FAILURE and call.attempts < retries:
                call.attempts, call.queued = call.attempts + 1, True
            elif not call.cancelled:
                call.output = api_pb2.FunctionGetOutputsItem(
                    result=item.result, idx=0, input_id=item.input_id, data_format=item.data_format
                )
        await stream.send_message(Empty())

    async def TaskResult(self, stream: Any) -> None:
        request = await stream.recv_message()
        for call in self.state.calls.values():
            if call.container is self.container and call.output is None:
                call.output = api_pb2.FunctionGetOutputsItem(result=request.result, idx=0)
        await stream.send_message(Empty())
