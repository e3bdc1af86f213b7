"""A mail server for one test: aiosmtpd, with STARTTLS or TLS, a password, and a Maildir to look into.

Prints its port. Some mailboxes have habits: `refused@` is refused for good, `busy@` for now, `slow@` takes half a minute.
"""

import argparse
import asyncio
import mailbox
import ssl

from aiosmtpd.smtp import SMTP, AuthResult

arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, default=0)
arguments.add_argument("--maildir", required=True)
arguments.add_argument("--certificate", required=True)
arguments.add_argument("--key", required=True)
arguments.add_argument("--tls", choices=["starttls", "wrapped", "none"], required=True)
arguments.add_argument("--user", required=True)
arguments.add_argument("--password", required=True)
given = arguments.parse_args()


class Mailboxes:
    maildir = mailbox.Maildir(given.maildir, create=True)

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "refused":
            return f"550 5.1.1 <{address}>: nobody of that name lives here"
        if name == "busy":
            return f"451 4.3.0 <{address}>: come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if any(address.startswith("slow@") for address in envelope.rcpt_tos):
            await asyncio.sleep(30)
        head = f"X-Encrypted: {'yes' if server.transport.get_extra_info('cipher') else 'no'}\r\nX-Envelope-From: {envelope.mail_from}\r\n"
        for address in envelope.rcpt_tos:
            head += f"X-Envelope-To: {address}\r\n"
        self.maildir.add(head.encode() + envelope.content)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    right = data.login == given.user.encode() and data.password == given.password.encode()
    return AuthResult(success=right)


async def serve():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(given.certificate, given.key)
    wrapped, starttls = given.tls == "wrapped", given.tls == "starttls"

    def session():
        return SMTP(
            Mailboxes(),
            hostname="mail.test",
            tls_context=context if starttls else None,
            require_starttls=starttls,
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=starttls,
        )

    server = await asyncio.get_running_loop().create_server(
        session, "127.0.0.1", given.port, ssl=context if wrapped else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(serve())
