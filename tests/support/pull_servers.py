"""Servers on real sockets that imitate what is documented of the interfaces that connectors ask: paging, windows, throttling,
errors.

They are as strict as the real ones where it matters: a request outside of the documented bounds is refused, as is one without a
token that is valid at this moment. `troubles` are answers given instead of the next that fits.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from domain.clock import Clock


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    form: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer. `cut` sends only so many bytes of the body that it announces; `hangs_up` sends nothing at all."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    links: Sequence[str] = ()
    cut: int | None = None
    hangs_up: bool = False


@dataclass
class Trouble:
    """Given instead of the next `times` answers whose address contains `where`."""

    where: str
    reply: Reply
    times: int = 1


def in_json(value: object, status: int = 200, **headers: str) -> Reply:
    return Reply(status=status, body=json.dumps(value).encode(), headers={"content-type": "application/json", **headers})


def login_event(number: int, **extra: object) -> dict[str, object]:
    """A login in OCSF, synthetic; the tests' stand-in for what the real interfaces give."""
    return {
        "class_uid": 3002,
        "activity_id": 1,
        "time": 1772438400000 + number * 1000,
        "metadata": {"uid": f"E-{number}", "version": "1.4.0"},
        "user": {"name": f"nurse-{number % 7}"},
        **extra,
    }


class Imitation:
    """A server's own side of the conversation. Subclasses answer."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.url = ""
        self.requests: list[Request] = []
        self.troubles: list[Trouble] = []
        self.guard = threading.Lock()
        self.issued = 0
        self.valid: set[str] = set()
        self.token_life = 3_600
        self.fixed: set[str] = set()
        self.check_form: Callable[[dict[str, str]], bool] = lambda _: True

    def paths(self) -> list[str]:
        """What was asked for, in order, tokens left out."""
        return [request.path for request in self.requests if request.path != "/token"]

    def count(self, part: str) -> int:
        return sum(part in request.path for request in self.requests)

    def revoke(self) -> None:
        """No token that was given is valid any more."""
        self.valid.clear()

    def trouble(self, where: str, reply: Reply, times: int = 1) -> None:
        self.troubles.append(Trouble(where, reply, times))

    def serve(self, request: Request) -> Reply:
        """The answer to a request."""
        self.requests.append(request)
        for trouble in self.troubles:
            if trouble.where in f"{unquote(request.path)}?{json.dumps(request.query)}" and trouble.times:
                trouble.times -= 1
                return trouble.reply
        if request.path == "/token":
            return self._token(request)
        if request.headers.get("authorization", "") not in {*(f"Bearer {token}" for token in self.valid), *self.fixed}:
            return self.unauthorised()
        return self.answer(request)

    def _token(self, request: Request) -> Reply:
        if not self.check_form(request.form):
            return in_json({"error": "invalid_client", "error_description": "hunter2 is not the secret"}, 401)
        self.issued += 1
        token = f"T-{self.issued}"
        self.valid.add(token)
        return in_json({"access_token": token, "expires_in": self.token_life, "token_type": "Bearer"})

    def unauthorised(self) -> Reply:
        return in_json({"error": {"code": "InvalidAuthenticationToken", "message": "no"}}, 401)

    def answer(self, request: Request) -> Reply:
        raise NotImplementedError


@contextmanager
def serving(imitation: Imitation) -> Iterator[None]:
    """Serve on a free port; `imitation.url` says where."""

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(method=self.command, path=parts.path, query=query, headers=headers, form=form)
            with imitation.guard:
                reply = imitation.serve(request)
            if reply.hangs_up:
                self.close_connection = True
                return
            self.send_response_only(reply.status)  # no Date but the imitation's own
            for name, value in {"date": format_datetime(imitation.clock(), usegmt=True), **reply.headers}.items():
                self.send_header(name, value)
            for link in reply.links:
                self.send_header("link", link)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body if reply.cut is None else reply.body[: reply.cut])
            self.close_connection = self.close_connection or reply.cut is not None

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that goes away is no news."""

    with Server(("127.0.0.1", 0), Handler) as server:
        imitation.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="pull-server")
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join(10)


def jwt_claims(token: str, public: rsa.RSAPublicKey) -> tuple[dict[str, object], dict[str, object]]:
    """Header and claims of a JWT whose signature is right. Raises InvalidSignature."""
    signed, _, signature = token.rpartition(".")
    header, claims = (json.loads(_from_base64url(part)) for part in signed.split("."))
    scheme: padding.AsymmetricPadding = padding.PKCS1v15()
    if header["alg"] == "PS256":
        scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    public.verify(_from_base64url(signature), signed.encode(), scheme, hashes.SHA256())
    return header, claims


def is_signed(token: str, public: rsa.RSAPublicKey) -> bool:
    try:
        jwt_claims(token, public)
    except (InvalidSignature, ValueError):
        return False
    return True


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(kw_only=True)
class FakeBlob:
    """A content blob: listed from `listed_from` on (None: at once), which may be long after its `created`."""

    name: str
    created: datetime
    events: Sequence[dict[str, object]]
    listed_from: datetime | None = None
    raw: bytes | None = None


class ManagementApi(Imitation):
    """The Office 365 Management Activity API of one tenant."""

    tenant = "6b1c2f10-0000-4000-8000-000000000001"

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.blobs: dict[str, list[FakeBlob]] = {}
        self.enabled: set[str] = set()
        self.page = 3
        self.foreign_link: str | None = None

    def add(self, content_type: str, blob: FakeBlob) -> None:
        self.blobs.setdefault(content_type, []).append(blob)

    @property
    def base(self) -> str:
        return f"{self.url}/api/v1.0/{self.tenant}"

    def unauthorised(self) -> Reply:
        return in_json({"Message": "Authorization has been denied for this request."}, 401)

    def answer(self, request: Request) -> Reply:
        root = f"/api/v1.0/{self.tenant}/activity/feed"
        if request.path == f"{root}/subscriptions/start" and request.method == "POST":
            return self._start(request)
        if request.path == f"{root}/subscriptions/content":
            return self._list(request)
        if request.path.startswith(f"{root}/audit/"):
            return self._content(request.path.rpartition("/")[2])
        return _office_error("AF404", 404)

    def _start(self, request: Request) -> Reply:
        content_type = request.query.get("contentType", "")
        if content_type in self.enabled:
            return _office_error("AF20024")
        self.enabled.add(content_type)
        return in_json({"contentType": content_type, "status": "enabled", "webhook": None})

    def _list(self, request: Request) -> Reply:
        query = request.query
        if not query.get("PublisherIdentifier"):
            return _office_error("AF20001")
        if query.get("contentType") not in self.enabled:
            return _office_error("AF20022")
        start, end = (datetime.fromisoformat(query[name]).replace(tzinfo=UTC) for name in ("startTime", "endTime"))
        if end - start > timedelta(hours=24) or start < self.clock() - timedelta(days=7) or end < start:
            return _office_error("AF20055")
        now = self.clock()
        fitting = [
            blob
            for blob in self.blobs.get(query["contentType"], [])
            if start <= blob.created < end and (blob.listed_from or blob.created) <= now
        ]
        first = int(query.get("nextPage", "0"))
        listed = [
            {
                "contentType": query["contentType"],
                "contentId": blob.name,
                "contentUri": f"{self.base}/activity/feed/audit/{quote(blob.name)}",
                "contentCreated": blob.created.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
                "contentExpiration": (blob.created + timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            }
            for blob in fitting[first : first + self.page]
        ]
        headers = {}
        if len(fitting) > first + self.page:
            following = "&".join(f"{name}={quote(value)}" for name, value in {**query, "nextPage": str(first + self.page)}.items())
            headers["NextPageUri"] = f"{self.base}/activity/feed/subscriptions/content?{following}"
        return in_json(listed, 200, **headers)

    def _content(self, name: str) -> Reply:
        for blobs in self.blobs.values():
            for blob in blobs:
                if quote(blob.name) == name or blob.name == name:
                    if blob.created < self.clock() - timedelta(days=7):
                        return _office_error("AF20051")
                    return Reply(body=json.dumps(blob.events).encode() if blob.raw is None else blob.raw)
        return _office_error("AF20050", 404)


def _office_error(code: str, status: int = 400) -> Reply:
    return in_json({"error": {"code": code, "message": "Patient Jane Roe must not be in a message"}}, status)


class OktaApi(Imitation):
    """The System Log of one organisation. `events` are in the order in which they were persisted."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.events: list[dict[str, object]] = []
        self.fixed = {"SSWS sswsToken"}
        self.refuses_links = False
        self.epoch = 0

    def add(self, number: int, published: datetime) -> None:
        self.events.append(login_event(number, published=published.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"))

    def unauthorised(self) -> Reply:
        return in_json({"errorCode": "E0000011", "errorSummary": "Invalid token provided: sswsToken"}, 401)

    def answer(self, request: Request) -> Reply:
        query = request.query
        limit = int(query.get("limit", "100"))
        if "after" in query:
            epoch, _, place = query["after"].partition("_")
            if self.refuses_links or int(epoch) != self.epoch:
                return in_json({"errorCode": "E0000031", "errorSummary": "Invalid search criteria."}, 400)
            first = int(place)
        else:
            since = datetime.fromisoformat(query["since"])
            if since < self.clock() - timedelta(days=90):
                return in_json({"errorCode": "E0000001", "errorSummary": "since is too old"}, 400)
            first = next(
                (n for n, each in enumerate(self.events) if datetime.fromisoformat(str(each["published"])) >= since),
                len(self.events),
            )
        found = self.events[first : first + limit]
        here = f"{self.url}/api/v1/logs?limit={limit}&sortOrder=ASCENDING"
        links = [f'<{here}>; rel="self"', f'<{here}&after={self.epoch}_{first + len(found)}>; rel="next"']
        return Reply(body=json.dumps(found).encode(), links=links, headers={"x-rate-limit-reset": "4102444800"})


class GraphApi(Imitation):
    """Lists of Microsoft Graph that are filtered by a time, newest first."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.records: list[dict[str, object]] = []
        self.resource = "/v1.0/auditLogs/signIns"
        self.field = "createdDateTime"
        self.longest: timedelta | None = None
        self.kept_for = timedelta(days=30)
        self.page = 3
        self.refuses_links = False

    def add(self, number: int, moment: datetime) -> None:
        self.records.append(login_event(number, **{self.field: moment.strftime("%Y-%m-%dT%H:%M:%SZ")}))

    def answer(self, request: Request) -> Reply:
        if request.path != self.resource:
            return in_json({"error": {"code": "ResourceNotFound", "message": "no"}}, 404)
        found = re.search(rf"{self.field} ge (\S+) and {self.field} le (\S+)", request.query.get("$filter", ""))
        if found is None:
            return in_json({"error": {"code": "BadRequest", "message": "a range must be given"}}, 400)
        start, end = (datetime.fromisoformat(text) for text in found.groups())
        too_long = self.longest is not None and end - start > self.longest
        if too_long or end > self.clock() or start < self.clock() - self.kept_for:
            return in_json({"error": {"code": "BadRequest", "message": "outside of the bounds"}}, 400)
        fitting = [each for each in self.records if start <= datetime.fromisoformat(str(each[self.field])) <= end]
        fitting.sort(key=lambda each: str(each[self.field]), reverse=True)
        if self.refuses_links and "$skiptoken" in request.query:
            return in_json({"error": {"code": "BadRequest", "message": "Skip token is expired"}}, 400)
        first = int(request.query.get("$skiptoken", "0"))
        size = min(self.page, int(request.query.get("$top", "1000")))
        answer: dict[str, object] = {"@odata.context": "…", "value": fitting[first : first + size]}
        if len(fitting) > first + size:
            query = {**request.query, "$skiptoken": str(first + size)}
            link = "&".join(f"{name}={quote(value)}" for name, value in query.items())
            answer["@odata.nextLink"] = f"{self.url}{self.resource}?{link}"
        return in_json(answer)


class GoogleApi(Imitation):
    """`activities.list` of the Admin SDK Reports interface: newest first, a page token that lives for a while."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.activities: list[tuple[datetime, datetime, dict[str, object]]] = []
        self.page = 3
        self.kept_for = timedelta(days=180)

    def add(self, number: int, moment: datetime, listed_from: datetime | None = None) -> None:
        spelled = moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        event = login_event(number, id={"time": spelled, "uniqueQualifier": str(number), "applicationName": "login"})
        self.activities.append((moment, listed_from or moment, event))

    def answer(self, request: Request) -> Reply:
        if not request.path.startswith("/admin/reports/v1/activity/users/all/applications/"):
            return _google_error(404, "notFound")
        start, end = (datetime.fromisoformat(request.query[name]) for name in ("startTime", "endTime"))
        if start >= end or end > self.clock() or start < self.clock() - self.kept_for:
            return _google_error(400, "invalid")
        now = self.clock()
        fitting = [event for moment, listed, event in self.activities if start <= moment <= end and listed <= now]
        fitting.reverse()
        token = request.query.get("pageToken", "p0")
        if not re.fullmatch(r"p\d+", token):
            return _google_error(400, "invalid")
        first = int(token[1:])
        size = min(self.page, int(request.query.get("maxResults", "1000")))
        answer: dict[str, object] = {"kind": "admin#reports#activities", "etag": '"x"'}
        if fitting[first : first + size]:
            answer["items"] = fitting[first : first + size]
        if len(fitting) > first + size:
            answer["nextPageToken"] = f"p{first + size}"
        return in_json(answer)


def _google_error(status: int, reason: str) -> Reply:
    error = {"code": status, "message": "no", "errors": [{"domain": "global", "reason": reason, "message": "no"}]}
    return in_json({"error": error}, status)


def google_throttled() -> Reply:
    """What Google answers beyond the rate: 403, not 429."""
    return _google_error(403, "rateLimitExceeded")


class S3Api(Imitation):
    """A bucket that is listed (`list-type=2`) and read. Requests must look signed; whether they are is not computed."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.page = 2

    def put(self, key: str, data: bytes, modified: datetime | None = None) -> None:
        self.objects[key] = data, modified or self.clock()

    def serve(self, request: Request) -> Reply:
        if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
            return _s3_error("AccessDenied", 403)
        self.valid = {"signed"}
        return super().serve(replace(request, headers={**request.headers, "authorization": "Bearer signed"}))

    def answer(self, request: Request) -> Reply:
        bucket, _, key = unquote(request.path).removeprefix("/").partition("/")
        if bucket != "logs":
            return _s3_error("NoSuchBucket", 404)
        if key:
            return self._get(key, request.headers.get("if-match"))
        names = sorted(name for name in self.objects if name.startswith(request.query.get("prefix", "")))
        first = int(request.query.get("continuation-token", "0"))
        entries = []
        for name in names[first : first + self.page]:
            data, modified = self.objects[name]
            entries.append(
                f"<Contents><Key>{quote(name, safe='/')}</Key><Size>{len(data)}</Size><ETag>{_tag(data)}</ETag>"
                f"<LastModified>{modified.strftime('%Y-%m-%dT%H:%M:%S.000Z')}</LastModified></Contents>"
            )
        more = len(names) > first + self.page
        token = f"<NextContinuationToken>{first + self.page}</NextContinuationToken>" if more else ""
        inner = f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(entries)}"
        return Reply(body=f"<ListBucketResult>{inner}</ListBucketResult>".encode(), headers={"content-type": "application/xml"})

    def _get(self, key: str, tag: str | None) -> Reply:
        if key not in self.objects:
            return _s3_error("NoSuchKey", 404)
        data, _ = self.objects[key]
        if tag is not None and tag.replace("&quot;", '"') != _tag(data):
            return _s3_error("PreconditionFailed", 412)
        return Reply(body=data, headers={"etag": _tag(data)})


def _tag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def _s3_error(code: str, status: int) -> Reply:
    return Reply(status=status, body=f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())
