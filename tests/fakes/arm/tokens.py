# SPDX-License-Identifier: Apache-2.0
"""Who may: the token endpoints of Azure AD and of AD FS, and the check of a token at every call."""
import base64
import hmac
import json
import os
import secrets
import subprocess
import tempfile
import time
from urllib.parse import parse_qsl

from errors import ArmError
from web import Reply

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def segment(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsegment(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Tokens:
    def __init__(self, cloud):
        self.cloud, self.live = cloud, {}

    def audiences(self):
        url = self.cloud.options.url
        return [f"{url}/management"] if self.cloud.hub else [url, url + "/"]

    def issue(self, resource):
        """(token, seconds it lives): the form of a JWT, known by heart here and not by its signature."""
        life, now = self.cloud.options.token_seconds, int(time.time())
        token = ".".join((segment({"alg": "RS256", "typ": "JWT"}),
                          segment({"aud": resource, "iat": now, "nbf": now, "exp": now + life, "tid": self.cloud.options.tenant,
                                   "appid": self.cloud.options.client_id, "oid": self.cloud.options.client_id}),
                          secrets.token_urlsafe(48)))
        self.live[token] = now + life
        return token, life

    def check(self, request):
        words = request.headers.get("authorization", "").split(" ")
        expires = self.live.get(words[1]) if len(words) == 2 and words[0].lower() == "bearer" else None
        if expires is None:
            self.refuse("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing or unknown.")
        if expires <= time.time():
            self.cloud.counts["calls with an expired token"] += 1
            self.refuse("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time.")

    def expire_all(self):
        for token in self.live:
            self.live[token] = 0

    def refuse(self, code, message):
        authority = f"{self.cloud.options.url}/{self.cloud.options.tenant}"
        raise ArmError(401, code, message, headers={"WWW-Authenticate": f'Bearer authorization_uri="{authority}", '
                                                    f'error="invalid_token", error_description="{message}"'})

    # ---- the endpoints

    def serve(self, request, rule):
        if request.method == "GET":
            return self.configuration(request)
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        if form.get("grant_type") != "client_credentials":
            return self.error("unsupported_grant_type", "AADSTS70003: The grant type is not supported.")
        if not (form.get("scope") or form.get("resource")):
            return self.error("invalid_request", "AADSTS900144: The request body must contain 'scope'.")
        wanted = (form.get("scope") or form["resource"]).removesuffix("/.default").rstrip("/")
        if wanted not in [a.rstrip("/") for a in self.audiences()]:
            return self.error("invalid_resource", f"AADSTS500011: The resource principal named {wanted} was not found.")
        if form.get("client_id") != self.cloud.options.client_id:
            return self.error("unauthorized_client", "AADSTS700016: Application was not found in the directory.")
        if not self.proven(form):
            return self.error("invalid_client", "AADSTS7000215: Invalid client secret or assertion provided.", 401)
        token, life = self.issue(form.get("scope") or form["resource"])
        return Reply(200, {"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token},
                     {"Cache-Control": "no-store, no-cache"})

    def proven(self, form):
        secret = form.get("client_secret")
        if secret is not None:
            return hmac.compare_digest(secret, self.cloud.options.client_secret)
        if form.get("client_assertion_type") != ASSERTION:
            return False
        assertion = form.get("client_assertion", "")
        federated = os.path.join(self.cloud.folder, "federated-token")
        if os.path.exists(federated):
            with open(federated, encoding="utf-8") as file:
                if hmac.compare_digest(file.read().strip(), assertion.strip()):
                    return True
        return self.signed_by_client(assertion, form.get("client_id"))

    def signed_by_client(self, assertion, client_id):
        """RFC 7523 with RS256, by the key of client.pem in the folder."""
        cert, parts = os.path.join(self.cloud.folder, "client.pem"), assertion.split(".")
        if len(parts) != 3 or not os.path.exists(cert):
            return False
        head, claims = json.loads(unsegment(parts[0])), json.loads(unsegment(parts[1]))
        if head.get("alg") not in ("RS256", "PS256") or claims.get("iss") != client_id or claims.get("sub") != client_id or \
                not claims.get("nbf", 0) - 300 <= time.time() < claims.get("exp", 0):
            return False
        pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"] if head["alg"] == "PS256" else []
        with tempfile.TemporaryDirectory() as scratch:
            key, sig = os.path.join(scratch, "key"), os.path.join(scratch, "sig")
            with open(key, "wb") as out:
                subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-pubkey"], stdout=out, check=True)
            with open(sig, "wb") as out:
                out.write(unsegment(parts[2]))
            done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", key, "-signature", sig, *pss],
                                  input=f"{parts[0]}.{parts[1]}".encode(), capture_output=True, check=False)
        return done.returncode == 0

    def error(self, code, message, status=400):
        self.cloud.counts[f"token refused {code}"] += 1
        return Reply(status, {"error": code, "error_description": message, "error_codes": [], "trace_id": secrets.token_hex(16),
                              "correlation_id": secrets.token_hex(16)})

    def configuration(self, request):
        """What client libraries look up before they ask for a token."""
        base = f"{self.cloud.options.url}/{request.path.strip('/').split('/')[0]}"
        end = "oauth2" if base.endswith("/adfs") else "oauth2/v2.0"
        if "discovery/instance" in request.path:
            return Reply(200, {"tenant_discovery_endpoint": f"{base}/v2.0/.well-known/openid-configuration", "metadata": []})
        if not request.path.endswith("/openid-configuration"):
            return Reply(404, {"error": "invalid_request"})
        return Reply(200, {"token_endpoint": f"{base}/{end}/token", "authorization_endpoint": f"{base}/{end}/authorize",
                           "device_authorization_endpoint": f"{base}/{end}/devicecode", "issuer": base})
