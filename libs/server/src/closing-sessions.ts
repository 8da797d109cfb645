import { connect, type Http2Session } from 'node:http2';
import { Duplex } from 'node:stream';

type Ping = (this: Http2Session, ...given: unknown[]) => boolean;
type Pong = (error: Error | null, durationMs: number, payload: Buffer) => void;

const PAYLOAD_BYTES = 8;
let isDone = false;

/**
 * Answers pings of HTTP/2 sessions that are closing, in all of this process: Node sends none there.
 * Why: grpc-js takes that for a dead peer, on both sides, and cuts the calls that a connection which has aged or a server
 * that drains still has under way, within one interval of its keepalive. Who is really gone is noticed by deadlines, by
 * what streams expect of their peers, and by the grace of the connection.
 * Source: https://github.com/grpc/grpc-node/issues/3068, open in 1.14.7, read 2026-11.
 */
export function letClosingSessionsEnd(): void {
  if (isDone) return;
  isDone = true;
  const prototype = prototypeOfSessions();
  const { ping } = prototype;
  prototype.ping = function (...given) {
    if (!this.closed || this.destroyed) return ping.apply(this, given);
    const pong = given.at(-1) as Pong;
    process.nextTick(pong, null, 0, Buffer.alloc(PAYLOAD_BYTES));
    return true;
  };
}

/** Node does not export the class; a session that leads nowhere is one of its kind. */
function prototypeOfSessions(): { ping: Ping } {
  const nowhere = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
  const session = connect('http://localhost', { createConnection: () => nowhere });
  session.on('error', () => {});
  session.destroy();
  return Object.getPrototypeOf(Object.getPrototypeOf(session) as object) as { ping: Ping };
}
