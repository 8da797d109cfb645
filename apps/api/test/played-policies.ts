import { type PutPolicyRequest } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { nowMs } from './played-things.js';

const NO_WORDS = { optOut: [], optIn: [], help: [] };

/** What is written of a policy: with its defaults. */
function written({ policyJson, expectedVersion }: PutPolicyRequest) {
  const policy = JSON.parse(policyJson) as { keywords?: object };
  const whole = { ...policy, keywords: { ...NO_WORDS, ...policy.keywords } };
  return { version: expectedVersion + 1, policyJson: JSON.stringify(whole) };
}

/** The policies that compliance plays: one that is always in force, and whatever is put is taken. */
export const POLICY_HANDLERS = {
  getPolicy: {
    own: () => ({
      ...{ version: 3, createdAtMs: nowMs, actorId: 'key_x' },
      policyJson: JSON.stringify({
        quietHours: { hours: [], channels: ['email'], isTransactionalQuiet: false },
        caps: [{ count: 2, windowHours: 24 }],
        keywords: { ...NO_WORDS, optOut: ['basta'] },
        replacedHours: [],
      }),
    }),
    other: { version: 0, policyJson: '{}', createdAtMs: 0, actorId: '' },
  },
  putPolicy: {
    own: written,
    other: { version: 1, policyJson: JSON.stringify({ keywords: NO_WORDS }) },
  },
};
