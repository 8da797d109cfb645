import type { SendFacts } from './send-facts.js';
import { DEFAULT_POLICY } from './tenant-policy.js';

/** A Wednesday, 15:00 in New York. */
export const WEDNESDAY_MS = Date.UTC(2026, 6, 15, 19);

/** A message that may leave, for tests to change one fact of. */
export function sendFacts(changes: Partial<SendFacts> = {}): SendFacts {
  return {
    nowMs: WEDNESDAY_MS,
    channel: 'sms',
    category: 'transactional',
    provider: 'twilio',
    address: '+12125550123',
    program: 'offers',
    contact: { timeZone: '', country: '', postalCode: '' },
    suppressions: [],
    consent: 'opted_in',
    isPendingOptOut: false,
    isCaughtUp: true,
    answersOptOut: undefined,
    answersHelp: undefined,
    isAnsweredUnknown: false,
    carrierReplies: [],
    lastInboundAtMs: 0,
    isTemplate: false,
    sentRecently: [],
    policy: DEFAULT_POLICY,
    isSendingPaused: false,
    ...changes,
  };
}
