import {
  REPORTED_STATES,
  type Evidence,
  type ReportedState,
  type StateTimes,
} from '../domain/message-state.js';

/** State number, first time by the provider's clock, first time by ours. */
const ENTRY_BYTES = 1 + 8 + 8;
const STATES: ReadonlyMap<number, ReportedState> = new Map(
  Object.entries(REPORTED_STATES).map(([state, code]) => [code, state as ReportedState]),
);

/** Evidence as the column `message.evidence` holds it. */
export function encodeEvidence(evidence: Evidence): Buffer {
  const bytes = Buffer.allocUnsafe(evidence.size * ENTRY_BYTES);
  let at = 0;
  for (const [state, { occurredAtMs, receivedAtMs }] of evidence) {
    at = bytes.writeUInt8(REPORTED_STATES[state], at);
    at = bytes.writeDoubleBE(occurredAtMs, at);
    at = bytes.writeDoubleBE(receivedAtMs, at);
  }
  return bytes;
}

/** @throws Error for a state that this version does not know. */
export function decodeEvidence(bytes: Buffer): Evidence {
  const evidence = new Map<ReportedState, StateTimes>();
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
    const state = STATES.get(bytes[at]!);
    if (state === undefined) throw new Error(`no message state has the number ${bytes[at]}`);
    evidence.set(state, {
      occurredAtMs: bytes.readDoubleBE(at + 1),
      receivedAtMs: bytes.readDoubleBE(at + 9),
    });
  }
  return evidence;
}
