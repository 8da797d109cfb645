import { conversationStateOf } from './conversation-state.js';
import type { ConversationRecord } from './conversation.js';
import type { RuleScope } from './rule.js';
import { shownState, type SeenConsent, type SeenEvent } from './rule-facts.js';

const NO_STEP = Buffer.alloc(16);

/**
 * What a rule fires once for; a rule never fires twice with the same key.
 * @returns undefined when the event has nothing of the kind.
 */
export function triggerKeyOf(once: RuleScope, seen: SeenEvent, consent: SeenConsent): Buffer | undefined {
  const { transition, message, conversation } = seen;
  if (once === 'event') return keyOf('e', transition.event.eventId);
  if (once === 'message') return message && messageKey(message.messageId);
  return conversation && conversationKey(conversation, consent);
}

/** The key of a message. It changes when the message turns out to be another one: so must what fired with it. */
export const messageKey = (messageId: Buffer): Buffer => keyOf('m', messageId);

function conversationKey(conversation: ConversationRecord, consent: SeenConsent): Buffer {
  const { conversationId, evidence } = conversation;
  const { begunBy = NO_STEP } = conversationStateOf(evidence);
  return keyOf('c', conversationId, begunBy, Buffer.from(shownState(conversation, consent)));
}

const keyOf = (kind: string, ...parts: readonly Buffer[]): Buffer =>
  Buffer.concat([Buffer.from(kind), ...parts]);
