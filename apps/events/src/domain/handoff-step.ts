/** Something a person of ours, or the bot, did with a conversation. IDs are 16 bytes. */
export interface HandoffStep {
  readonly tenantId: Buffer;
  readonly eventId: Buffer;
  /** Undefined when a conversation without a hand-off is closed. */
  readonly handoffId: Buffer | undefined;
  readonly conversationId: Buffer;
  readonly type:
    | 'conversation.escalated'
    | 'conversation.claimed'
    | 'conversation.accepted'
    | 'conversation.released'
    | 'conversation.offer_expired'
    | 'conversation.closed';
  /** Of `conversation.released`: where to. */
  readonly target: 'queue' | 'bot' | '';
  /** The ID of an API key, `bot`, or `timer`. */
  readonly actor: string;
  readonly note: string;
  readonly channel: string;
  readonly personHash: Buffer | undefined;
  readonly occurredAtMs: number;
  readonly traceparent: string;
  /** Encrypted, with its data key; or undefined. */
  readonly sealed: { readonly dataKeyId: Buffer; readonly body: Buffer } | undefined;
}
