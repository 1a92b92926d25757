"""Google's Python client as the judge of the simulated Cloud Storage, and of what was written to it.

    judge.py contract ENDPOINT            does the simulator behave as Google does?
    judge.py verify ENDPOINT BUCKET FILE  does the bucket hold exactly {key: {"size": n, "sha256": hex}}?

Prints a line for each check and "N passed, N failed" at the end; exits with 1 when one failed.
"""

import base64
import gzip
import hashlib
import io
import json
import sys
import traceback
import urllib.error
import urllib.request
import uuid

import google_crc32c
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

# No retries: what does not work at once is what we want to see.
ONCE = {"retry": None, "timeout": 60}

# More than fits into one request, and no multiple of the chunks.
LARGE = 9 * 1024 * 1024 + 12345
CHUNK = 1024 * 1024


class Judge:
    """Runs checks one after the other and counts."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, action):
        try:
            action()
        except Exception:
            self.failed += 1
            print(f"FAILED  {name}")
            traceback.print_exc(file=sys.stdout)
        else:
            self.passed += 1
            print(f"ok      {name}")

    def verdict(self):
        print(f"{self.passed} passed, {self.failed} failed")
        # A judge that had nothing to judge has found nothing right.
        return 0 if self.passed and not self.failed else 1


def main(arguments):
    match arguments:
        case ["contract", endpoint]:
            return contract(endpoint)
        case ["verify", endpoint, bucket, expected]:
            return verify(endpoint, bucket, expected)
    print(__doc__, file=sys.stderr)
    return 2


def connect(endpoint):
    return storage.Client(
        project="judge",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": endpoint},
    )


def verify(endpoint, bucket_name, expected_path):
    with open(expected_path, encoding="utf-8") as file:
        expected = json.load(file)
    client = connect(endpoint)
    judge = Judge()
    bucket = client.bucket(bucket_name)
    found = {blob.name: blob for blob in client.list_blobs(bucket, **ONCE)}

    def nothing_more():
        equal(sorted(set(found) - set(expected)), [])

    judge.check("nothing is there that should not be", nothing_more)
    for name, promise in sorted(expected.items()):
        judge.check(name, lambda: verify_object(found.get(name), promise))
    return judge.verdict()


def verify_object(blob, promise):
    if blob is None:
        raise AssertionError("it is missing")
    digest = hashlib.sha256()
    crc32c = google_crc32c.Checksum()
    size = 0
    # As it is stored, without being unpacked on the way.
    with blob.open("rb", chunk_size=4 * CHUNK, raw_download=True, **ONCE) as reader:
        while chunk := reader.read(4 * CHUNK):
            digest.update(chunk)
            crc32c.update(chunk)
            size += len(chunk)
    equal(size, promise["size"])
    equal(blob.size, promise["size"])
    equal(digest.hexdigest(), promise["sha256"])
    equal(blob.crc32c, base64.b64encode(crc32c.digest()).decode())


def contract(endpoint):
    client = connect(endpoint)
    judge = Judge()
    bucket = client.create_bucket(f"judge-{uuid.uuid4().hex}", **ONCE)
    for name, action in checks(client, bucket, endpoint):
        judge.check(name, action)
    return judge.verdict()


def checks(client, bucket, endpoint):
    """All checks, each a name and a function without arguments."""
    noise = hashlib.shake_256(b"bowerbird").digest(LARGE)

    def small():
        blob = bucket.blob("small.txt")
        blob.cache_control = "no-cache"
        blob.content_disposition = "attachment"
        blob.metadata = {"origin": "judge"}
        blob.upload_from_string(b"small", content_type="text/plain", checksum="crc32c", **ONCE)
        equal(blob.size, 5)
        again = bucket.get_blob("small.txt", **ONCE)
        equal(again.content_type, "text/plain")
        equal(again.cache_control, "no-cache")
        equal(again.content_disposition, "attachment")
        equal(again.metadata, {"origin": "judge"})
        equal(again.generation, blob.generation)
        equal(again.crc32c, crc32c_of(b"small"))
        equal(again.md5_hash, base64.b64encode(hashlib.md5(b"small").digest()).decode())
        equal(again.download_as_bytes(checksum="crc32c", **ONCE), b"small")
        equal(again.download_as_bytes(checksum="md5", **ONCE), b"small")

    def empty():
        blob = bucket.blob("empty")
        blob.upload_from_string(b"", **ONCE)
        equal(blob.size, 0)
        equal(blob.download_as_bytes(**ONCE), b"")

    def odd_name():
        name = "a folder/ä & ü?#%2F+.txt"
        bucket.blob(name).upload_from_string(b"odd", **ONCE)
        equal(bucket.blob(name).download_as_bytes(**ONCE), b"odd")
        equal([blob.name for blob in client.list_blobs(bucket, prefix="a folder/", **ONCE)], [name])

    def resumable(checksum):
        blob = bucket.blob(f"large-{checksum}", chunk_size=CHUNK)
        blob.upload_from_file(
            io.BytesIO(noise), size=LARGE, content_type="video/mp4", checksum=checksum, **ONCE
        )
        equal(blob.size, LARGE)
        equal(blob.crc32c, crc32c_of(noise))
        equal(blob.content_type, "video/mp4")
        equal(bucket.blob(f"large-{checksum}").download_as_bytes(**ONCE), noise)

    def unknown_size():
        blob = bucket.blob("unknown-size", chunk_size=CHUNK)
        with blob.open("wb", **ONCE) as writer:
            writer.write(noise[: 3 * CHUNK + 7])
        equal(bucket.blob("unknown-size").download_as_bytes(**ONCE), noise[: 3 * CHUNK + 7])

    def one_request():
        # Resumable without chunks: begun in one request, sent in one.
        url = bucket.blob("one-request").create_resumable_upload_session(size=CHUNK, **ONCE)
        equal(put(url, noise[:CHUNK], f"bytes 0-{CHUNK - 1}/{CHUNK}")[0], 200)
        equal(bucket.blob("one-request").download_as_bytes(**ONCE), noise[:CHUNK])

    def interrupted():
        url = bucket.blob("interrupted").create_resumable_upload_session(size=2 * CHUNK, **ONCE)
        status, headers = put(url, b"", "bytes */*")
        equal((status, headers.get("Range")), (308, None))
        status, headers = put(url, noise[:CHUNK], f"bytes 0-{CHUNK - 1}/{2 * CHUNK}")
        equal((status, headers.get("Range")), (308, f"bytes=0-{CHUNK - 1}"))
        if bucket.get_blob("interrupted", **ONCE) is not None:
            raise AssertionError("half an object is there")
        status, headers = put(url, b"", "bytes */*")
        equal((status, headers.get("Range")), (308, f"bytes=0-{CHUNK - 1}"))
        rest = f"bytes {CHUNK}-{2 * CHUNK - 1}/{2 * CHUNK}"
        equal(put(url, noise[CHUNK : 2 * CHUNK], rest)[0], 200)
        equal(put(url, b"", "bytes */*")[0], 200)
        equal(bucket.blob("interrupted").download_as_bytes(**ONCE), noise[: 2 * CHUNK])

    def wrong_checksum():
        for name, field, value in [
            ("wrong-crc", "crc32c", crc32c_of(b"other")),
            ("wrong-md5", "md5_hash", base64.b64encode(hashlib.md5(b"other").digest()).decode()),
        ]:
            blob = bucket.blob(name)
            setattr(blob, field, value)
            refused(exceptions.BadRequest, lambda: blob.upload_from_string(b"these", checksum=None, **ONCE))
            equal(bucket.get_blob(name, **ONCE), None)

    def ranges():
        bucket.blob("ranges").upload_from_string(b"0123456789", **ONCE)
        blob = bucket.blob("ranges")
        # The client's end is the last byte, not the one after it.
        equal(blob.download_as_bytes(start=2, end=4, **ONCE), b"234")
        equal(blob.download_as_bytes(start=7, **ONCE), b"789")
        equal(blob.download_as_bytes(start=-3, **ONCE), b"789")
        equal(blob.download_as_bytes(start=9, end=99, **ONCE), b"9")
        refused(
            exceptions.RequestRangeNotSatisfiable,
            lambda: blob.download_as_bytes(start=10, **ONCE),
        )
        chunked = bucket.blob("large-crc32c", chunk_size=CHUNK)
        equal(chunked.download_as_bytes(**ONCE), noise)

    def preconditions():
        blob = bucket.blob("conditional")
        blob.upload_from_string(b"1", if_generation_match=0, **ONCE)
        first = blob.generation
        again = bucket.blob("conditional")
        conflict = exceptions.PreconditionFailed
        refused(conflict, lambda: again.upload_from_string(b"2", if_generation_match=0, **ONCE))
        again.upload_from_string(b"2", if_generation_match=first, **ONCE)
        if again.generation <= first:
            raise AssertionError("the generation did not grow")
        refused(conflict, lambda: again.upload_from_string(b"3", if_generation_match=first, **ONCE))
        # A fresh handle each time, for the client asks for the generation that a used one remembers.
        now = lambda: bucket.blob("conditional")
        refused(conflict, lambda: now().delete(if_generation_match=first, **ONCE))
        refused(conflict, lambda: now().download_as_bytes(if_generation_match=first, **ONCE))
        refused(conflict, lambda: again.upload_from_string(b"3", if_metageneration_match=9, **ONCE))
        equal(bucket.blob("conditional").download_as_bytes(**ONCE), b"2")
        big = bucket.blob("conditional", chunk_size=CHUNK)
        refused(
            conflict,
            lambda: big.upload_from_file(
                io.BytesIO(noise), size=LARGE, if_generation_match=first, **ONCE
            ),
        )
        refused(
            exceptions.NotFound,
            lambda: bucket.blob("conditional", generation=first).download_as_bytes(**ONCE),
        )
        again.delete(if_generation_match=again.generation, **ONCE)
        equal(bucket.get_blob("conditional", **ONCE), None)

    def listing():
        names = [f"list/{number:02}" for number in range(25)]
        for name in ["list/sub/a", "list/sub/b", *reversed(names)]:
            bucket.blob(name).upload_from_string(b"x", **ONCE)
        expected = names + ["list/sub/a", "list/sub/b"]
        for page_size in [1, 7, 27, 1000]:
            pages = client.list_blobs(bucket, prefix="list/", page_size=page_size, **ONCE).pages
            pages = [[blob.name for blob in page] for page in pages]
            equal([name for page in pages for name in page], expected)
            equal(max(len(page) for page in pages) <= page_size, True)
        folders = client.list_blobs(bucket, prefix="list/", delimiter="/", page_size=10, **ONCE)
        equal([blob.name for blob in folders], names)
        equal(sorted(folders.prefixes), ["list/sub/"])
        few = client.list_blobs(bucket, prefix="list/", max_results=3, **ONCE)
        equal([blob.name for blob in few], names[:3])
        equal(list(client.list_blobs(bucket, prefix="nothing/", **ONCE)), [])

    def patching():
        bucket.blob("patched").upload_from_string(b"x", content_type="text/plain", **ONCE)
        blob = bucket.get_blob("patched", **ONCE)
        generation, metageneration = blob.generation, blob.metageneration
        blob.content_type = "application/json"
        blob.metadata = {"a": "b"}
        blob.patch(if_metageneration_match=metageneration, **ONCE)
        equal(blob.metageneration, metageneration + 1)
        again = bucket.get_blob("patched", **ONCE)
        equal((again.generation, again.content_type), (generation, "application/json"))
        equal(again.metadata, {"a": "b"})
        again.cache_control = "no-store"
        refused(
            exceptions.PreconditionFailed,
            lambda: again.patch(if_metageneration_match=metageneration, **ONCE),
        )

    def packed():
        packed_bytes = gzip.compress(b"unpacked" * 100)
        blob = bucket.blob("packed.json")
        blob.content_encoding = "gzip"
        blob.upload_from_string(packed_bytes, content_type="application/json", **ONCE)
        again = bucket.get_blob("packed.json", **ONCE)
        equal((again.content_encoding, again.size), ("gzip", len(packed_bytes)))
        equal(again.download_as_bytes(raw_download=True, **ONCE), packed_bytes)
        equal(again.download_as_bytes(**ONCE), b"unpacked" * 100)
        # A reader that cannot unpack gets it unpacked.
        with urllib.request.urlopen(again.media_link) as answer:
            equal(answer.read(), b"unpacked" * 100)
            equal(answer.headers["x-goog-stored-content-encoding"], "gzip")

    def missing():
        blob = bucket.blob("missing")
        equal(bucket.get_blob("missing", **ONCE), None)
        equal(blob.exists(**ONCE), False)
        refused(exceptions.NotFound, lambda: blob.download_as_bytes(**ONCE))
        refused(exceptions.NotFound, lambda: blob.delete(**ONCE))
        nowhere = client.bucket("no-such-bucket")
        refused(exceptions.NotFound, lambda: nowhere.blob("a").upload_from_string(b"x", **ONCE))
        refused(exceptions.NotFound, lambda: list(client.list_blobs(nowhere, **ONCE)))
        refused(exceptions.NotFound, lambda: nowhere.reload(**ONCE))

    def deleting():
        blob = bucket.blob("deleted")
        blob.upload_from_string(b"x", **ONCE)
        blob.delete(**ONCE)
        refused(exceptions.NotFound, lambda: blob.delete(**ONCE))

    def buckets():
        bucket.reload(**ONCE)
        refused(exceptions.Conflict, lambda: client.create_bucket(bucket.name, **ONCE))
        wanted = ["storage.objects.create", "storage.objects.get", "storage.objects.fly"]
        equal(sorted(bucket.test_iam_permissions(wanted, **ONCE)), wanted[:2])
        equal(bucket.name in [one.name for one in client.list_buckets(**ONCE)], True)

    def public_page():
        blob = bucket.blob("page/index.html")
        blob.cache_control = "no-cache"
        blob.upload_from_string(b"<!doctype html>", content_type="text/html", **ONCE)
        address = f"{endpoint}/{bucket.name}/page/index.html"
        with urllib.request.urlopen(address) as answer:
            equal(answer.read(), b"<!doctype html>")
            equal(answer.headers["content-type"], "text/html")
            equal(answer.headers["cache-control"], "no-cache")
        equal(http_status(f"{endpoint}/{bucket.name}/page/none"), 404)
        equal(http_status(f"{endpoint}/{bucket.name}"), 403)

    def other_origins():
        bucket.blob("shared.json").upload_from_string(b"{}", **ONCE)
        address = f"{endpoint}/{bucket.name}/shared.json"
        equal(allowed_origin(address, "https://page.example"), None)
        bucket.cors = [{"origin": ["https://page.example"], "method": ["GET"], "maxAgeSeconds": 60}]
        bucket.patch(**ONCE)
        bucket.reload(**ONCE)
        equal(bucket.cors[0]["origin"], ["https://page.example"])
        for method in ["GET", "OPTIONS"]:
            allowed = allowed_origin(address, "https://page.example", method)
            equal(allowed, "https://page.example")
            equal(allowed_origin(address, "https://other.example", method), None)

    def cancelled():
        url = bucket.blob("cancelled").create_resumable_upload_session(size=CHUNK, **ONCE)
        request = urllib.request.Request(url, method="DELETE")
        try:
            urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            # What Google documents for a cancelled upload.
            equal(error.code, 499)
        else:
            raise AssertionError("not cancelled")
        equal(put(url, noise[:CHUNK], f"bytes 0-{CHUNK - 1}/{CHUNK}")[0], 404)
        equal(bucket.get_blob("cancelled", **ONCE), None)

    return [
        ("a small object, its headers and checksums", small),
        ("an empty object", empty),
        ("a name full of characters that addresses escape", odd_name),
        ("a large object in chunks, CRC32C", lambda: resumable("crc32c")),
        ("a large object in chunks, MD5", lambda: resumable("md5")),
        ("a large object in chunks, no checksum", lambda: resumable(None)),
        ("an object whose size is known at its end", unknown_size),
        ("a resumable upload in one request", one_request),
        ("a resumable upload that was interrupted", interrupted),
        ("a resumable upload that was given up", cancelled),
        ("a wrong checksum is refused", wrong_checksum),
        ("parts of an object", ranges),
        ("preconditions", preconditions),
        ("listing by prefix, by folder, by pages", listing),
        ("changing what is said about an object", patching),
        ("gzip, as stored and unpacked on the way", packed),
        ("what is missing", missing),
        ("deleting", deleting),
        ("buckets and permissions", buckets),
        ("a public page opened without an account", public_page),
        ("a page of another origin", other_origins),
    ]


def put(url, body, content_range):
    request = urllib.request.Request(url, data=body, method="PUT")
    request.add_header("Content-Range", content_range)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


def allowed_origin(url, origin, method="GET"):
    request = urllib.request.Request(url, method=method, headers={"Origin": origin})
    with urllib.request.urlopen(request) as answer:
        return answer.headers["access-control-allow-origin"]


def http_status(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def crc32c_of(data):
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"found {shorten(found)}, expected {shorten(expected)}")


def refused(error, action):
    try:
        action()
    except error:
        return
    raise AssertionError(f"not refused with {error.__name__}")


def shorten(value):
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(value)})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
