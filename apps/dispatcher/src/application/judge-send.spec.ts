import fc from 'fast-check';
import type { FindResult, SendResult } from '../clients/senders/send-adapter.js';
import { type Command } from '../domain/command.js';
import { canBecome } from '../domain/command-state.js';
import { PERMIT_VALID_MS } from '../domain/command-step.js';
import { COMMAND_LIMITS } from './command-limits.js';
import { judgeFind, judgeSend } from './judge-send.js';

const NOW = 1_800_000_000_000;
const NONE = Buffer.alloc(0);
const adapter = {
  timeoutMs: 15_000,
  visibilityLagMs: 300_000,
  find: () => Promise.reject(new Error('unused')),
};

const commandOf = (fields: Partial<Command> = {}): Command => ({
  ...{
    key: '01',
    messageId: Buffer.alloc(16, 1),
    tenantId: Buffer.alloc(16, 2),
    sourceUuid: Buffer.alloc(16, 3),
  },
  ...{
    sourceId: 'src_1',
    shard: 0,
    leaseEpoch: 1n,
    channel: 'sms',
    category: 'marketing',
    program: '',
    campaign: '',
  },
  ...{
    personHash: Buffer.alloc(16, 4),
    conversationId: Buffer.alloc(16, 5),
    sender: 'bot',
    fencingToken: 0n,
  },
  ...{ answersEventId: NONE, ruleId: NONE, triggerEventId: NONE, isReplay: false, lastInboundAtMs: 0 },
  ...{
    notAfterMs: NOW + 3_600_000,
    createdAtMs: NOW - 1_000,
    traceparent: '',
    state: 'sending',
    attemptCount: 1,
  },
  ...{ sentAtMs: NOW, lookupCount: 0 },
  ...fields,
});
const ended = (number: number) => ({ number, permitId: 'p', startedAtMs: NOW, durationMs: 5 });

const results: fc.Arbitrary<SendResult> = fc.oneof(
  fc.record({
    kind: fc.constant('sent' as const),
    providerMessageId: fc.string(),
    state: fc.constant('queued' as const),
  }),
  fc.record({
    kind: fc.constant('refused' as const),
    errorCode: fc.string(),
    detail: fc.string(),
    signal: fc.constantFrom('', 'opt_out', 'hard_bounce'),
    isRetryable: fc.boolean(),
    retryAfterMs: fc.nat(),
  }) as fc.Arbitrary<SendResult>,
  fc.record({ kind: fc.constant('not_sent' as const), detail: fc.string(), isPermitOver: fc.boolean() }),
  fc.record({ kind: fc.constant('unknown' as const), detail: fc.string() }),
);

test('F8 nothing is sent again unless the provider said no, or no byte left', () => {
  fc.assert(
    fc.property(
      results,
      fc.integer({ min: 1, max: 40 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (result, number, random) => {
        const command = commandOf({ attemptCount: number });
        const change = judgeSend(command, ended(number), result, {
          adapter,
          limits: COMMAND_LIMITS,
          nowMs: NOW,
          random,
        });
        expect(canBecome('sending', change.to)).toBe(true);
        expect(change.from).toContain('sending');
        expect([change.attemptsBefore, change.attemptCount]).toEqual([number, number]);
        if (change.to === 'deferred') {
          expect(result.kind === 'not_sent' || (result.kind === 'refused' && result.isRetryable)).toBe(true);
          const { attemptsMax, unsentAttemptsMax } = COMMAND_LIMITS;
          if (result.kind !== 'not_sent' || !result.isPermitOver)
            expect(number).toBeLessThan(result.kind === 'not_sent' ? unsentAttemptsMax : attemptsMax);
          expect(change.dueAtMs).toBeLessThanOrEqual(command.notAfterMs);
        }
        expect(change.to === 'indeterminate').toBe(result.kind === 'unknown');
        expect(change.to === 'sent').toBe(result.kind === 'sent');
      },
    ),
  );
});

test('E2 a permit that was over in time delays a message by seconds, however often, and never ends it', () => {
  const result = { kind: 'not_sent', detail: 'over', isPermitOver: true } as const;
  for (const number of [1, 7, 100]) {
    const command = commandOf({ attemptCount: number });
    const judged = judgeSend(command, ended(number), result, {
      ...{ adapter, limits: COMMAND_LIMITS, nowMs: NOW, random: 0.999 },
    });
    expect(judged).toMatchObject({
      to: 'deferred',
      attempt: { outcome: 'not_sent', errorCode: 'permit.over' },
    });
    expect(judged.dueAtMs - NOW).toBeLessThanOrEqual(COMMAND_LIMITS.permitRetry.capMs);
  }
});

test('F3 a wait that the provider asks for is kept', () => {
  const result = {
    kind: 'refused',
    errorCode: '429',
    detail: '',
    signal: '',
    isRetryable: true,
    retryAfterMs: 60_000,
  } as const;
  const judged = judgeSend(commandOf(), ended(1), result, {
    adapter,
    limits: COMMAND_LIMITS,
    nowMs: NOW,
    random: 0,
  });
  expect(judged).toMatchObject({ to: 'deferred', dueAtMs: NOW + 60_000 });
});

test('F8 an unknown outcome waits for a callback or a person where the provider cannot be asked', () => {
  const cannotAsk = { timeoutMs: 15_000, visibilityLagMs: 0 };
  const unknown = { kind: 'unknown', detail: 'ECONNRESET' } as const;
  const at = { limits: COMMAND_LIMITS, nowMs: NOW, random: 0 };
  expect(judgeSend(commandOf(), ended(1), unknown, { adapter: cannotAsk, ...at }).dueAtMs).toBe(Infinity);
  expect(judgeSend(commandOf(), ended(1), unknown, { adapter, ...at }).dueAtMs).toBeGreaterThan(NOW);
});

test('F8 "not found" is final only after permit, request and the delay of the provider', () => {
  const finalAtMs = NOW + PERMIT_VALID_MS + adapter.timeoutMs + adapter.visibilityLagMs;
  const command = commandOf({ state: 'indeterminate' });
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.integer({ min: 0, max: 30 }), (afterMs, lookupCount) => {
      const nowMs = NOW + afterMs;
      const at = { adapter, limits: COMMAND_LIMITS, nowMs, random: 0.5 };
      const change = judgeFind({ ...command, lookupCount }, { kind: 'not_found' }, at);
      expect(change.to).toBe(nowMs >= finalAtMs ? 'deferred' : 'indeterminate');
      if (nowMs < finalAtMs) expect(change.dueAtMs).toBeGreaterThan(nowMs);
    }),
  );
});

test('F8 whatever the provider answers, it is asked only so often, and only "found" says sent', () => {
  const answers: FindResult[] = [
    { kind: 'found', providerMessageId: 'SM1', state: 'queued' },
    { kind: 'not_found' },
    { kind: 'unknown', detail: 'HTTP 500' },
  ];
  for (const result of answers) {
    for (let lookupCount = 0; lookupCount < COMMAND_LIMITS.lookupsMax + 5; lookupCount++) {
      const command = commandOf({ state: 'indeterminate', lookupCount });
      const at = { adapter, limits: COMMAND_LIMITS, nowMs: NOW + 1, random: 0.9 };
      const change = judgeFind(command, result, at);
      expect(change.to === 'sent').toBe(result.kind === 'found');
      if (result.kind !== 'found' && lookupCount + 1 >= COMMAND_LIMITS.lookupsMax)
        expect(change.dueAtMs).toBe(Infinity);
    }
  }
});
