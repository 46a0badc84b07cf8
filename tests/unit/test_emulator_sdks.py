"""The emulator's answers as the real SDKs read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("h11")
openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

from anyint_resilience.emulator import Emulator, Fault  # noqa: E402

TEXT = "Hello from the AnyInt emulator."
MESSAGES: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(keys=("test-key",)) as running:
        yield running
    assert running.internal_errors == []


@pytest.fixture
def gpt(emulator: Emulator) -> Iterator[Any]:
    at = {"base_url": f"{emulator.url}/openai/v1", "http_client": openai.DefaultHttpxClient(verify=False)}
    with openai.OpenAI(api_key="test-key", max_retries=0, **at) as client:
        yield client


@pytest.fixture
def claude(emulator: Emulator) -> Iterator[Any]:
    # AnyInt documents x-api-key and this version; the SDK by itself sends Bearer and a newer one.
    headers = {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}
    at = {"base_url": f"{emulator.url}/anthropic", "http_client": anthropic.DefaultHttpxClient(verify=False)}
    with anthropic.Anthropic(api_key="test-key", max_retries=0, default_headers=headers, **at) as client:
        yield client


def test_openai_chat(gpt: Any) -> None:
    """A plain chat completion parses, with its usage."""
    answer = gpt.chat.completions.create(model="gpt-5", messages=MESSAGES)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (TEXT, "stop")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_openai_chat_stream(gpt: Any) -> None:
    """A stream brings the text in pieces, a finish reason, and usage when asked."""
    options = {"include_usage": True}
    chunks = list(gpt.chat.completions.create(model="m", messages=MESSAGES, stream=True, stream_options=options))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens > 0


def test_openai_chat_stream_helper(gpt: Any) -> None:
    """The SDK's own stream helper assembles the final answer."""
    with gpt.chat.completions.stream(model="m", messages=MESSAGES) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content == TEXT


def test_openai_responses(gpt: Any) -> None:
    """A response parses, plain and read again."""
    answer = gpt.responses.create(model="m", input="hi")
    assert (answer.output_text, answer.status) == (TEXT, "completed")
    assert gpt.responses.retrieve(answer.id).output_text == TEXT


def test_openai_responses_stream_helper(gpt: Any) -> None:
    """The strict helper, which wants ``response.completed``, is content."""
    with gpt.responses.stream(model="m", input="hi") as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert deltas == stream.get_final_response().output_text == TEXT


def test_openai_embeddings(gpt: Any) -> None:
    """Vectors come in base64, as the SDK asks for them, and as numbers."""
    answer = gpt.embeddings.create(model="m", input=["a", "b"], dimensions=4)
    assert [len(it.embedding) for it in answer.data] == [4, 4]
    plain = gpt.embeddings.create(model="m", input="a", dimensions=4, encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(answer.data[0].embedding, abs=1e-6)
    assert answer.data[0].embedding != answer.data[1].embedding


def test_openai_models(gpt: Any) -> None:
    """The SDK reads AnyInt's own shape of the list."""
    assert "gpt-5" in [model.id for model in gpt.models.list()]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # OpenAI ends its own video API; AnyInt's route is AnyInt's
def test_openai_videos(gpt: Any, emulator: Emulator) -> None:
    """Create, retrieve until done, download."""
    video = gpt.videos.create(model="kling-3.0", prompt="a cat")
    assert (video.status, video.progress) == ("queued", 0)
    emulator.clock.advance(6)
    assert gpt.videos.retrieve(video.id).status == "in_progress"
    emulator.clock.advance(6)
    assert gpt.videos.retrieve(video.id).status == "completed"
    assert b"ftyp" in gpt.videos.download_content(video.id).read()
    assert [task.body["prompt"] for task in emulator.tasks] == ["a cat"]


def test_openai_the_rest(gpt: Any) -> None:
    """Files, images, audio, moderations and batches parse."""
    made = gpt.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    assert (gpt.files.content(made.id).read(), made.bytes) == (b"{}", 2)
    assert [it.id for it in gpt.files.list()] == [made.id]
    assert gpt.images.generate(model="m", prompt="x").data[0].b64_json
    assert gpt.audio.speech.create(model="m", voice="alloy", input="x").read()
    assert gpt.audio.transcriptions.create(model="m", file=("a.wav", b"x")).text == TEXT
    assert gpt.moderations.create(input="x").results[0].flagged is False
    batch = gpt.batches.create(input_file_id=made.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert gpt.batches.retrieve(batch.id).status == "validating"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=429), "RateLimitError"),
        (Fault.error(429, code="insufficient_quota"), "RateLimitError"),
        (Fault(status=503), "InternalServerError"),
        (Fault(reset="before_headers"), "APIConnectionError"),
        (Fault(status=403), "PermissionDeniedError"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else None,
)
def test_openai_faults(gpt: Any, emulator: Emulator, fault: Fault, error: str) -> None:
    """Faults surface as the SDK's own exceptions."""
    emulator.script(fault)
    with pytest.raises(getattr(openai, error)):
        gpt.chat.completions.create(model="m", messages=MESSAGES)


def test_openai_sees_an_error_inside_a_stream(gpt: Any, emulator: Emulator) -> None:
    """An error event after a 200 is an APIError of the SDK."""
    emulator.script(Fault(error_event=True, cut_stream_after=2))
    with pytest.raises(openai.APIError):
        list(gpt.chat.completions.create(model="m", messages=MESSAGES, stream=True))


def test_anthropic_messages(claude: Any) -> None:
    """A plain message parses, with its usage."""
    answer = claude.messages.create(model="claude-sonnet-5-5", max_tokens=10, messages=MESSAGES)
    assert (answer.content[0].text, answer.stop_reason) == (TEXT, "end_turn")
    assert answer.usage.input_tokens > 0


def test_anthropic_stream(claude: Any) -> None:
    """The stream helper assembles the final message, and knows it is whole."""
    with claude.messages.stream(model="m", max_tokens=10, messages=MESSAGES) as stream:
        assert "".join(stream.text_stream) == TEXT
        assert stream.get_final_message().stop_reason == "end_turn"


def test_anthropic_counting_and_models(claude: Any) -> None:
    """Token counting and the model list parse."""
    assert claude.messages.count_tokens(model="m", messages=MESSAGES).input_tokens > 0
    assert "claude-sonnet-5-5" in [model.id for model in claude.models.list()]


def test_anthropic_overload(claude: Any, emulator: Emulator) -> None:
    """An overload surfaces before the stream as a status and inside it as an error event."""
    emulator.script(Fault(status=529), Fault(error_event=True))
    with pytest.raises(anthropic.APIStatusError) as caught:
        claude.messages.create(model="m", max_tokens=10, messages=MESSAGES)
    assert caught.value.status_code == 529
    with (
        pytest.raises(anthropic.APIStatusError, match="overloaded"),
        claude.messages.stream(model="m", max_tokens=10, messages=MESSAGES) as stream,
    ):
        list(stream)


def test_anthropic_by_itself_is_refused(emulator: Emulator) -> None:
    """The SDK's own Bearer header is not the style AnyInt documents for this family."""
    base = f"{emulator.url}/anthropic"
    with (
        anthropic.Anthropic(api_key="test-key", base_url=base, max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError),
    ):
        client.messages.create(model="m", max_tokens=10, messages=MESSAGES)
