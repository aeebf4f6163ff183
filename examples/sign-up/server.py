"""Sign-up with a verified phone number, in plain Python 3.9 or newer: python3 server.py"""
import json, os, re, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

URL = os.environ.get('VERIGATE_URL', 'http://localhost:3000')
API_KEY = os.environ.get('VERIGATE_API_KEY', 'vgk_sandbox')
PORT = int(os.environ.get('PORT', '8080'))
PAGE = Path(__file__).with_name('page.html').read_text('utf-8').replace('VERIGATE_URL', URL)
# The verification of each browser session; a real server keeps it in its session store.
verifications = {}


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {'authorization': f'Bearer {API_KEY}', 'content-type': 'application/json'}
    try:
        with urlopen(Request(URL + path, data, headers, method=method), timeout=10) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 502, {'detail': 'The gateway cannot be reached.'}


def sign_up(session, body):
    status, answer = call('POST', '/verifications', {
        'phoneNumber': str(body.get('phoneNumber')), 'returnUrl': f'http://localhost:{PORT}/', 'onConflict': 'replace',
    })
    if status != 201:
        return status, {'detail': answer['detail']}
    verifications[session] = answer['id']
    return 201, {'id': answer['id'], 'clientSecret': answer['clientSecret']}


def signed_up(session, _body):
    """Only the verification that this session started counts, and only what the gateway says of it."""
    _, answer = call('GET', f'/verifications/{verifications.get(session, "none")}')
    if answer.get('verified') is not True:
        return 403, {'detail': 'The number is not verified.'}
    verifications.pop(session, None)
    result = answer['result']
    return 200, {'phoneNumber': result['phoneNumber'], 'assurance': result['assurance']['level']}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, 'text/html', PAGE)

    def do_POST(self):
        route = {'/sign-up': sign_up, '/signed-up': signed_up}.get(self.path)
        status, answer = route(self.session(), self.body()) if route else (404, {'detail': 'Not found.'})
        self.answer(status, 'application/json', json.dumps(answer))

    def body(self):
        try:
            body = json.loads(self.rfile.read(int(self.headers.get('content-length', 0))))
        except ValueError:
            body = None
        return body if isinstance(body, dict) else {}

    def session(self):
        found = re.search(r'\bsession=([\w-]+)', self.headers.get('cookie', ''))
        self.new_session = found[1] if found else getattr(self, 'new_session', None) or str(uuid.uuid4())
        return self.new_session

    def answer(self, status, content_type, text):
        self.send_response(status)
        self.send_header('content-type', content_type)
        self.send_header('set-cookie', f'session={self.session()}; HttpOnly; SameSite=Lax; Path=/')
        self.end_headers()
        self.wfile.write(text.encode())


ThreadingHTTPServer(('localhost', PORT), Handler).serve_forever()
