"""Signed addresses of S3 objects, held against the example of Amazon's own documentation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from framelens.core.links import S3Access
from framelens.http_client.s3 import presigned_url

# "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)"
EXAMPLE = S3Access(access_key="AKIAIOSFODNN7EXAMPLE", secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
NOW = datetime(2013, 5, 24, tzinfo=UTC)


def test_the_signature_is_that_of_the_documentation() -> None:
    url = presigned_url("s3://examplebucket/test.txt", EXAMPLE, now=NOW, seconds=86400)
    assert url.startswith("https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
    signature = parse_qs(urlsplit(url).query)["X-Amz-Signature"]
    assert signature == ["aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"]


def test_without_a_key_nothing_is_signed() -> None:
    assert presigned_url("s3://open/a%20b.mp4", S3Access()) == "https://open.s3.amazonaws.com/a%20b.mp4"


def test_the_bucket_is_in_the_path_where_it_must_be() -> None:
    there = replace(EXAMPLE, region="eu-central-1", session_token="a/b")
    url = presigned_url("s3://my.bucket/k", there, now=NOW)
    assert url.startswith("https://s3.eu-central-1.amazonaws.com/my.bucket/k?")
    assert "X-Amz-Security-Token=a%2Fb" in url
    own = replace(EXAMPLE, endpoint="http://minio:9000")
    assert presigned_url("s3://films/door.mp4", own, now=NOW).startswith("http://minio:9000/films/door.mp4?")


def test_the_signed_host_is_the_one_that_is_sent() -> None:
    for written, sent in (("http://Minio:80", "http://minio"), ("https://minio:443", "https://minio")):
        signed = (presigned_url("s3://films/a", replace(EXAMPLE, endpoint=one), now=NOW) for one in (written, sent))
        first, second = (parse_qs(urlsplit(one).query)["X-Amz-Signature"] for one in signed)
        assert first == second
