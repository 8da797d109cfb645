import {
  addStep,
  conversationStateOf,
  type ConversationEvidence,
  type PlacedStep,
} from './conversation-state.js';

/** What we last sent into a conversation: what a reply answers that names no message. */
export interface LastOutbound {
  readonly messageId: Buffer;
  readonly atMs: number;
  readonly campaign: string;
}

/** What is known of one conversation. */
export interface ConversationRecord {
  readonly tenantId: Buffer;
  readonly conversationId: Buffer;
  readonly channel: string;
  readonly personHash: Buffer | undefined;
  readonly campaign: string;
  readonly evidence: ConversationEvidence;
  readonly inboundCount: number;
  readonly outboundCount: number;
  readonly lastMessageAtMs: number;
  /** 0 = none. */
  readonly lastInboundAtMs: number;
  readonly lastOutbound: LastOutbound | undefined;
  readonly createdAtMs: number;
}

/** A message that becomes part of a conversation. */
export interface EnteringMessage {
  readonly messageId: Buffer;
  readonly isInbound: boolean;
  readonly atMs: number;
  readonly campaign: string;
  /** Nobody vouches for it: that somebody wrote opens no window to write back. */
  readonly isUnverified: boolean;
}

/** A reply that names no message answers what was sent at most this long before it. */
export const REPLY_WINDOW_MS = 7 * 24 * 60 * 60 * 1_000;

/** A conversation of which nothing is known yet. */
export const newConversation = ({
  tenantId,
  conversationId,
  channel,
  personHash,
  createdAtMs,
}: Pick<
  ConversationRecord,
  'tenantId' | 'conversationId' | 'channel' | 'personHash' | 'createdAtMs'
>): ConversationRecord => ({
  ...{ tenantId, conversationId, channel, personHash, createdAtMs },
  campaign: '',
  evidence: [],
  inboundCount: 0,
  outboundCount: 0,
  lastMessageAtMs: 0,
  lastInboundAtMs: 0,
  lastOutbound: undefined,
});

/** Counts a message in; called once for each. */
export function enter(record: ConversationRecord, message: EnteringMessage): ConversationRecord {
  const { isInbound, atMs, campaign, messageId, isUnverified } = message;
  const isLatest = !isInbound && atMs >= (record.lastOutbound?.atMs ?? 0);
  return {
    ...record,
    inboundCount: record.inboundCount + (isInbound ? 1 : 0),
    outboundCount: record.outboundCount + (isInbound ? 0 : 1),
    lastMessageAtMs: Math.max(record.lastMessageAtMs, atMs),
    lastInboundAtMs:
      isInbound && !isUnverified ? Math.max(record.lastInboundAtMs, atMs) : record.lastInboundAtMs,
    lastOutbound: isLatest ? { messageId, atMs, campaign } : record.lastOutbound,
    campaign: (isLatest && campaign) || record.campaign,
  };
}

/** A message that is in it already was told of by somebody to rely on. @returns the same record when that is known. */
export const heard = (record: ConversationRecord, atMs: number): ConversationRecord =>
  atMs > record.lastInboundAtMs ? { ...record, lastInboundAtMs: atMs } : record;

/** Takes back one of two that turned out to be the same message. */
export function leave(record: ConversationRecord, from: Buffer, into: Buffer): ConversationRecord {
  const { lastOutbound } = record;
  return {
    ...record,
    outboundCount: Math.max(0, record.outboundCount - 1),
    lastOutbound:
      lastOutbound?.messageId.equals(from) === true ? { ...lastOutbound, messageId: into } : lastOutbound,
  };
}

/** The message that one without a reference answers, or undefined. */
export function answeredBy(record: ConversationRecord, atMs: number): LastOutbound | undefined {
  const { lastOutbound } = record;
  if (lastOutbound === undefined || lastOutbound.atMs > atMs) return undefined;
  return atMs - lastOutbound.atMs <= REPLY_WINDOW_MS ? lastOutbound : undefined;
}

/** Takes one step. */
export function takeStep(record: ConversationRecord, step: PlacedStep) {
  const evidence = addStep(record.evidence, step);
  const [from, to] = [conversationStateOf(record.evidence).state, conversationStateOf(evidence).state];
  return { record: evidence === record.evidence ? record : { ...record, evidence }, from, to };
}
