import fc from 'fast-check';
import { FLAT_BYTES_MAX, handoffPackage, type HistoryMessage, type PackageParts } from './handoff-package.js';

const message = (over: Partial<HistoryMessage> = {}): HistoryMessage => ({
  id: 'msg_1',
  direction: 'inbound',
  state: 'received',
  atMs: 1_790_000_000_000,
  campaign: '',
  replyTo: '',
  content: { from: '+4915100', to: '+4930', text: 'Hallo', subject: '', mediaUrls: [] },
  ...over,
});
const parts = (over: Partial<PackageParts> = {}): PackageParts => ({
  tenantId: 'ten_1',
  conversationId: 'cnv_1',
  handoffId: 'evt_1',
  channel: 'chat',
  provider: 'whatsapp',
  personId: 'per_1',
  reason: 'user_request',
  requestedAtMs: 1_790_000_000_000,
  requestedBy: 'bot',
  queue: 'support',
  priority: 0,
  attempts: 0,
  priorClaims: [],
  claimedBy: '',
  claimedAtMs: 0,
  state: 'escalated',
  campaign: 'spring',
  messageCount: 2,
  lastInboundAtMs: 1_790_000_000_000,
  isOptedOut: false,
  standing: undefined,
  history: [message({ id: 'msg_2' }), message({ direction: 'outbound', content: undefined })],
  context: {},
  ...over,
});

test('D6 the flat part fits whatever the bot and the person said, and keeps what identifies the hand-off', () => {
  // Would break: a desk refuses metadata that is too long, and the hand-off is lost.
  const words = fc.string({ unit: 'binary', maxLength: 6_000 });
  fc.assert(
    fc.property(words, words, words, words, (summary, intent, text, queue) => {
      const { flat } = handoffPackage(
        parts({
          queue,
          context: { summary, intent, sentiment: { label: text } },
          history: [message({ content: { from: text, to: '', text, subject: '', mediaUrls: [] } })],
        }),
      );
      expect(Buffer.byteLength(flat)).toBeLessThanOrEqual(FLAT_BYTES_MAX);
      const fields = JSON.parse(flat) as Record<string, unknown>;
      expect(fields).toMatchObject({
        version: 1,
        handoff: 'evt_1',
        conversation: 'cnv_1',
        reason: 'user_request',
      });
      for (const value of Object.values(fields)) expect(typeof value).not.toBe('object');
    }),
    { numRuns: 100 },
  );
});

test('the history is told from its beginning, and says what was erased', () => {
  const { full } = handoffPackage(parts());
  expect(JSON.parse(full)).toMatchObject({
    history: {
      firstMessageId: 'msg_1',
      messages: [
        { id: 'msg_1', isErased: true },
        { id: 'msg_2', text: 'Hallo', at: '2026-09-21T14:13:20.000Z' },
      ],
    },
    ids: { customerAddress: '+4915100' },
  });
});

test('D6 the history that the bot tells stands beside ours, and only as a list', () => {
  const reportedOf = (context: PackageParts['context']): unknown =>
    (JSON.parse(handoffPackage(parts({ context })).full) as { history: Record<string, unknown> }).history[
      'reported'
    ];
  const history = [{ from: 'bot', text: 'Hi' }];
  expect([{ history }, {}, { history: 'Hi' }].map(reportedOf)).toEqual([history, [], []]);
});

test('until when one may write freely is said for WhatsApp only', () => {
  const windowOf = (provider: string): unknown =>
    (JSON.parse(handoffPackage(parts({ provider })).full) as { compliance: Record<string, unknown> })
      .compliance['freeMessagesUntil'];
  expect(windowOf('whatsapp')).toBe('2026-09-22T14:13:20.000Z');
  expect(windowOf('twilio')).toBeNull();
});

test('D6 what may be sent is told as compliance says it, and as not known when nobody could be asked', () => {
  const standing = {
    consentStatus: 'opted_in',
    classes: [
      { category: 'transactional', decision: 'allow', rule: 'category.transactional', untilMs: 0 },
      { category: 'marketing', decision: 'defer', rule: 'quiet_hours.eu', untilMs: 1_790_000_000_000 },
    ],
  };
  const of = (over: Partial<PackageParts>) => {
    const { full, flat } = handoffPackage(parts(over));
    return [
      (JSON.parse(full) as { compliance: object }).compliance,
      JSON.parse(flat) as Record<string, unknown>,
    ] as const;
  };
  const [full, flat] = of({ standing });
  expect(full).toMatchObject({
    consentStatus: 'opted_in',
    messageClasses: [
      { category: 'transactional', decision: 'allow', until: null },
      { category: 'marketing', decision: 'defer', rule: 'quiet_hours.eu', until: '2026-09-21T14:13:20.000Z' },
    ],
  });
  expect(flat).toMatchObject({ consentStatus: 'opted_in', allowedClasses: 'transactional' });
  const [unknown, without] = of({});
  expect(unknown).toMatchObject({ consentStatus: null, messageClasses: null });
  expect(Object.keys(without)).not.toContain('allowedClasses');
});
