import {
  CONVERSATION_STEPS,
  type ConversationEvidence,
  type ConversationStep,
  type PlacedStep,
} from '../domain/conversation-state.js';

const ID_BYTES = 16;
/** Step number, time, event. */
const ENTRY_BYTES = 1 + 8 + ID_BYTES;
const STEPS: ReadonlyMap<number, ConversationStep> = new Map(
  Object.entries(CONVERSATION_STEPS).map(([step, code]) => [code, step as ConversationStep]),
);

/** Steps as the column `conversation.evidence` holds them. */
export function encodeSteps(evidence: ConversationEvidence): Buffer {
  const bytes = Buffer.allocUnsafe(evidence.length * ENTRY_BYTES);
  let at = 0;
  for (const { step, atMs, eventId } of evidence) {
    at = bytes.writeUInt8(CONVERSATION_STEPS[step], at);
    at = bytes.writeDoubleBE(atMs, at);
    at += eventId.copy(bytes, at);
  }
  return bytes;
}

/** @throws Error for a step that this version does not know. */
export function decodeSteps(bytes: Buffer): ConversationEvidence {
  const steps: PlacedStep[] = [];
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
    const step = STEPS.get(bytes[at]!);
    if (step === undefined) throw new Error(`no conversation step has the number ${bytes[at]}`);
    const eventId = bytes.subarray(at + ENTRY_BYTES - ID_BYTES, at + ENTRY_BYTES);
    steps.push({ step, atMs: bytes.readDoubleBE(at + 1), eventId });
  }
  return steps;
}
