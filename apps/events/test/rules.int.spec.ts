import { randomBytes } from 'node:crypto';
import { formatId } from '@posthorn/clock/id.js';
import {
  EventContent,
  type RuleEffect,
  type RuleSend,
  type RuleThen,
  type RuleWhen,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { SealedBox, sealAad } from '@posthorn/crypto/sealed-box.js';
import { eventually } from '@posthorn/testing/eventually.js';
import type { EventAttributes } from '../src/domain/intake.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { RuleEnds } from './rule-ends.fixture.js';
import { CALL, Rig, type AppendStream, type KnownTenant } from './service.rig.js';

let rig: Rig;
let service: Awaited<ReturnType<Rig['start']>>;
let stream: AppendStream;
const ends = new RuleEnds();
beforeAll(async () => {
  rig = await Rig.open();
  await rig.addCompliance();
  service = await rig.start(await ends.open(rig));
  await eventually(() => {
    const { isReady, checks } = service.process.health.readiness();
    if (!isReady) throw new Error(JSON.stringify(checks));
  });
  stream = await service.stream();
});
afterAll(() => rig.close());

const sourceId = id();
/** Effects whose far end fails wait for the next poll. */
const ENDS = { timeoutMs: 15_000 };
const NOTHING = { sourceId: '', subject: '', templateName: '', templateLanguage: '', program: '' };
const sends = (text: string, over: Partial<RuleSend> = {}): RuleThen => ({
  action: {
    $case: 'send',
    value: {
      ...{ ...NOTHING, category: 'transactional', text, templateParameters: [], campaign: 'thanks' },
      ...{ answers: false, ...over },
    },
  },
});
const tags = (tag: string, target: 'conversation' | 'message' = 'conversation'): RuleThen => ({
  action: { $case: 'tag', value: { tag, target } },
});
const when = (expression = '', over: Partial<RuleWhen> = {}): RuleWhen => ({
  types: ['message.received'],
  expression,
  once: 'event',
  ...over,
});

/** A contact with a campaign of its own, so that only its own rules look at it. */
class Contact {
  readonly campaign = randomBytes(6).toString('hex');
  readonly conversation = randomBytes(16);
  readonly person = randomBytes(16);

  constructor(readonly tenant: KnownTenant = rig.tenants[0]) {}

  get tenantId(): string {
    return formatId('ten', this.tenant.uuid);
  }
  get isMine(): string {
    return `event.campaign == "${this.campaign}"`;
  }

  async writes(text = 'Hallo', over: Partial<EventAttributes> = {}): Promise<Buffer> {
    const eventId = id();
    const { dataKey, uuid, shards } = this.tenant;
    const content: EventContent = { from: '+4915100', to: '+4930', text, subject: '', mediaUrls: [] };
    const sealed = new SealedBox(dataKey.id, dataKey.key).seal(
      EventContent.encode(content).finish(),
      sealAad('content', uuid, eventId),
    );
    const event = eventOf({
      eventId,
      type: 'message.received',
      shard: shards[0]!,
      personHash: this.person,
      content: sealed,
      attributes: {
        ...{ status: 'received', direction: 'inbound', campaign: this.campaign },
        ...{ providerMessageId: `IN${randomBytes(6).toString('hex')}`, conversationHash: this.conversation },
        ...over,
      },
    });
    await stream.send([requestOf([event], { tenantId: uuid, sourceId, dataKeyId: dataKey.id })]);
    return eventId;
  }

  async rule(then: RuleThen, over: { when?: RuleWhen; enabled?: boolean } = {}): Promise<string> {
    const { rule } = await service.rules.createRule(
      {
        ...{ tenantId: this.tenantId, actorId: 'key_anna', name: 'a rule', enabled: true, then },
        when: when(this.isMine),
        ...over,
      },
      CALL,
    );
    return rule!.id;
  }

  async effects(ruleId: string): Promise<RuleEffect[]> {
    const request = { tenantId: this.tenantId, ruleId, triggerEventId: '', state: '', limit: 50, cursor: '' };
    return (await service.ruleReads.listRuleEffects(request, CALL)).effects;
  }

  /** Waits until that many effects have ended. */
  ended(ruleId: string, count: number): Promise<RuleEffect[]> {
    return eventually(async () => {
      const effects = await this.effects(ruleId);
      expect(effects.filter(({ state }) => state !== 'pending')).toHaveLength(count);
      return effects;
    }, ENDS);
  }

  async get(ruleId: string, version = 0) {
    return (await service.ruleReads.getRule({ tenantId: this.tenantId, id: ruleId, version }, CALL)).rule!;
  }

  async removes(ruleId: string): Promise<void> {
    await service.rules.deleteRule({ tenantId: this.tenantId, id: ruleId, actorId: 'key_anna' }, CALL);
  }

  projected(eventId: Buffer) {
    return eventually(async () => {
      const call = { tenantId: this.tenantId, id: formatId('evt', eventId) };
      const answer = await service.query.getEventTimeline(call, CALL);
      expect(answer.event!.state).toBe('projected');
      return answer;
    });
  }
}

test('D4 a rule answers the first reply of a conversation once, by its channel, and the timeline says so', async () => {
  const contact = new Contact();
  const ruleId = await contact.rule(
    sends('Danke! {{ event.campaign }} Nr. {{ conversation.inboundCount }}'),
    {
      when: when(`${contact.isMine} && conversation.state == "replied"`, { once: 'conversation_state' }),
    },
  );
  await Promise.all([contact.writes(), contact.writes('Und?'), contact.writes('Hallo?')]);
  const [effect] = await contact.ended(ruleId, 1);
  expect(effect).toMatchObject({
    ...{ state: 'done', action: 'send', ruleVersion: 1, attemptCount: 1 },
    conversationId: formatId('cnv', contact.conversation),
  });
  expect(ends.messages.get(`${ruleId} ${effect!.triggerEventId}`)).toBe(effect!.result);
  const sent = ends.calls.filter((call) => call.ruleId === ruleId);
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({
    ...{ tenantId: contact.tenantId, to: '+4915100', from: '+4930', channel: 'sms', sender: 'bot' },
    ...{ category: 'transactional', campaign: 'thanks', replyTo: formatId('cnv', contact.conversation) },
    sourceId: formatId('src', sourceId),
    actorId: ruleId,
    triggerEventId: effect!.triggerEventId,
  });
  expect(sent[0]!.content!.text).toMatch(new RegExp(`^Danke! ${contact.campaign} Nr. [123]$`));
  const call = { tenantId: contact.tenantId, id: effect!.triggerEventId };
  const { entries } = await service.query.getEventTimeline(call, CALL);
  expect(entries.find(({ stage }) => stage === 'rule')!.detail).toBe(
    `${ruleId} version 1: send, done ${effect!.result}`,
  );
  await eventually(async () => expect((await contact.get(ruleId)).firedCount).toBe(1n));
  await contact.removes(ruleId);
});

test('D4 C3 an answer that got lost is asked for again, and the message is made once', async () => {
  // Would break: a customer gets the same message twice because a process died, or a wire broke, in between.
  const contact = new Contact();
  const ruleId = await contact.rule(sends('Danke'));
  ends.ends.push('not reached', 'answer lost');
  await contact.writes();
  const [effect] = await contact.ended(ruleId, 1);
  expect(effect).toMatchObject({ state: 'done', attemptCount: 3 });
  expect(ends.calls.filter((call) => call.ruleId === ruleId)).toHaveLength(3);
  expect([...ends.messages.keys()].filter((key) => key.startsWith(ruleId))).toHaveLength(1);
  await contact.removes(ruleId);
});

test('D4 each text of a message gets its own values only', async () => {
  const contact = new Contact();
  const over = {
    subject: 'About',
    templateName: 'greeting',
    templateParameters: ['{{ event.channel }}', 'x'],
  };
  const ruleId = await contact.rule(sends('{{ event.campaign }}!', over));
  await contact.writes();
  await contact.ended(ruleId, 1);
  expect(ends.calls.find((call) => call.ruleId === ruleId)!.content).toMatchObject({
    ...{ text: `${contact.campaign}!`, subject: 'About', template: { parameters: ['sms', 'x'] } },
  });
  await contact.removes(ruleId);
});

test('E3 D4 a rule confirms STOP and answers HELP, each event once, whatever breaks in between', async () => {
  const contact = new Contact();
  ends.answers = { optOutText: 'Acme: out', helpText: 'Acme: help' };
  const answering = when(`${contact.isMine} && event.signal in ["opt_out", "help"]`);
  const ruleId = await contact.rule(sends('', { answers: true }), { when: answering });
  // The message is made and its maker dies: the answer is asked for again.
  ends.ends.push('answer lost', 'not reached');
  await contact.writes('Hallo');
  const stops = [await contact.writes('STOP', { signal: 'opt_out' })];
  stops.push(await contact.writes('stop', { signal: 'opt_out' }));
  const help = await contact.writes('HELP', { signal: 'help' });
  const effects = await contact.ended(ruleId, 3);
  expect(effects.every(({ state }) => state === 'done')).toBe(true);
  const made = [...ends.messages.keys()].filter((key) => key.startsWith(ruleId));
  expect(made.sort()).toEqual([...stops, help].map((one) => `${ruleId} ${formatId('evt', one)}`).sort());
  // Compliance tells from it that both STOPs are one opt-out.
  for (const call of ends.calls.filter((one) => one.ruleId === ruleId)) {
    expect(call).toMatchObject({ answersEventId: call.triggerEventId, category: 'transactional' });
    const isHelp = call.triggerEventId === formatId('evt', help);
    expect(call.content!.text).toBe(isHelp ? 'Acme: help' : 'Acme: out');
  }
  await contact.removes(ruleId);
});

test('E3 D4 a rule that answers what is neither STOP nor HELP, or with no text, says so and sends nothing', async () => {
  const contact = new Contact();
  ends.answers = { optOutText: '', helpText: '' };
  const ruleId = await contact.rule(sends('', { answers: true }));
  const own = await contact.rule(sends('{{ event.signal }}!', { answers: true }));
  await contact.writes('Hallo');
  await contact.writes('HELP', { signal: 'help' });
  const [effect] = await contact.ended(ruleId, 1);
  expect(effect).toMatchObject({ state: 'failed', errorCode: 'request.invalid' });
  expect(ends.calls.filter((call) => call.ruleId === ruleId)).toEqual([]);
  await contact.ended(own, 1);
  expect(ends.calls.filter((call) => call.ruleId === own).map(({ content }) => content!.text)).toEqual([
    'help!',
  ]);
  await eventually(async () =>
    expect(await contact.get(own)).toMatchObject({
      ...{ errorCount: 1n, lastError: 'the event has no opt-out or HELP to answer' },
    }),
  );
  for (const rule of [ruleId, own]) await contact.removes(rule);
  const sourced = { answers: true, sourceId: formatId('src', sourceId), category: 'marketing' };
  await expect(contact.rule(sends('', sourced))).rejects.toMatchObject({
    fields: [{ path: 'then.sourceId' }, { path: 'then.category' }],
  });
});

test('D4 D6 E1 a rule tags, hands over with itself as the decision, and suppresses by person', async () => {
  const contact = new Contact();
  const rules = [
    await contact.rule(tags('warm')),
    await contact.rule(tags('first', 'message')),
    await contact.rule({
      action: { $case: 'handoff', value: { reason: 'keyword', queue: 'vip', priority: 2 } },
    }),
    await contact.rule({ action: { $case: 'suppress', value: { channel: 'sms', scope: '', reason: '' } } }),
  ];
  await contact.writes();
  const ended = await Promise.all(rules.map((rule) => contact.ended(rule, 1)));
  expect(ended.map(([effect]) => [effect!.action, effect!.state])).toEqual([
    ['tag', 'done'],
    ['tag', 'done'],
    ['handoff', 'done'],
    ['suppress', 'done'],
  ]);
  const call = { tenantId: contact.tenantId, id: formatId('cnv', contact.conversation) };
  const shown = await service.conversations.getConversation(call, CALL);
  expect([shown.conversation!.tags, shown.messages[0]!.tags]).toEqual([['warm'], ['first']]);
  expect(shown.handoff).toMatchObject({
    queue: 'vip',
    priority: 2,
    reason: 'keyword',
    requestedBy: rules[2],
  });
  const asked = { tenantId: contact.tenantId, id: ended[2]![0]!.result, conversationId: '', historyLimit: 0 };
  const { packageJson } = await service.conversations.getHandoff(asked, CALL);
  expect(JSON.parse(packageJson).routing.decisions).toMatchObject([{ rule: rules[2], version: 1 }]);
  expect(ends.suppressed.at(-1)).toMatchObject({
    actorId: rules[3],
    rows: [{ personId: formatId('per', contact.person), channel: 'sms' }],
  });
  for (const rule of rules) await contact.removes(rule);
});

test('D4 what goes wrong shows on the rule: judged wrongly, or not done', async () => {
  const contact = new Contact();
  const broken = await contact.rule(tags('never'), { when: when(`${contact.isMine} && 1 / 0 == 1`) });
  const refused = await contact.rule({
    action: { $case: 'suppress', value: { channel: 'sms', scope: 'refuse me', reason: '' } },
  });
  await contact.writes();
  const [effect] = await contact.ended(refused, 1);
  expect(effect).toMatchObject({
    state: 'failed',
    errorCode: 'request.invalid',
    detail: 'scope: is unknown',
  });
  await eventually(async () => {
    expect(await contact.get(broken)).toMatchObject({ firedCount: 0n, errorCount: 1n });
    expect(await contact.get(refused)).toMatchObject({ lastError: 'request.invalid: scope: is unknown' });
  });
  expect((await contact.get(broken)).lastError).toMatch(/zero/);
  expect(await contact.effects(broken)).toEqual([]);
  for (const rule of [broken, refused]) await contact.removes(rule);
});

test('D4 each change is a version; what is off, or gone, fires nothing; an effect names its version', async () => {
  const contact = new Contact();
  const ruleId = await contact.rule(tags('one'));
  const change = { tenantId: contact.tenantId, id: ruleId, actorId: 'key_bert' };
  const none = { when: undefined, then: undefined };
  const { rule } = await service.rules.updateRule({ ...change, ...none, then: tags('two') }, CALL);
  expect(rule).toMatchObject({ version: 2, changedBy: 'key_bert', enabled: true, name: 'a rule' });
  await contact.writes();
  expect(await contact.ended(ruleId, 1)).toMatchObject([{ ruleVersion: 2, result: 'two' }]);
  await service.rules.updateRule({ ...change, ...none, enabled: false }, CALL);
  await contact.projected(await contact.writes());
  await service.rules.updateRule({ ...change, ...none, enabled: true, name: 'renamed' }, CALL);
  await contact.writes();
  expect(await contact.ended(ruleId, 2)).toMatchObject([{ ruleVersion: 4 }, { ruleVersion: 2 }]);
  const former = { version: 1, then: tags('one'), changedBy: 'key_anna' };
  expect(await contact.get(ruleId, 1)).toMatchObject(former);
  await contact.removes(ruleId);
  await contact.projected(await contact.writes());
  expect(await contact.effects(ruleId)).toHaveLength(2);
  await expect(contact.get(ruleId)).rejects.toMatchObject({ code: 'rule.not_found' });
  expect(await contact.get(ruleId, 4)).toMatchObject({ name: 'renamed', version: 4 });
});

test('D4 a dry run shows what a rule would do with stored events, and does nothing', async () => {
  const contact = new Contact();
  const eventIds = [await contact.writes(), await contact.writes(), await contact.writes()];
  for (const eventId of eventIds) await contact.projected(eventId);
  const ruleId = await contact.rule(sends('Hi {{event.campaign}}'), {
    enabled: false,
    when: when(`${contact.isMine} && conversation.state == "replied"`, { once: 'conversation_state' }),
  });
  const run = { tenantId: contact.tenantId, id: ruleId, fromMs: 0, toMs: 0, limit: 0 };
  const report = await service.rules.dryRunRule(run, CALL);
  expect(report).toMatchObject({ wouldFire: 1, wouldRepeat: 2, errors: 0 });
  expect(report.samples).toEqual(
    eventIds.map((eventId, at) => ({
      eventId: formatId('evt', eventId),
      type: 'message.received',
      outcome: at === 0 ? 'fire' : 'repeat',
      detail: `Hi ${contact.campaign}`,
    })),
  );
  expect(report.eventsOfType).toBeGreaterThanOrEqual(3);
  expect(await contact.effects(ruleId)).toEqual([]);
  await expect(service.rules.dryRunRule({ ...run, limit: 1_001 }, CALL)).rejects.toMatchObject({
    code: 'request.invalid',
  });
  await contact.removes(ruleId);
});

test('B10 another tenant’s rules and effects are not there, and judge only its own events', async () => {
  const [contact, other] = [new Contact(), new Contact(rig.tenants[1])];
  const ruleId = await contact.rule(tags('mine'), { when: when('') });
  await other.projected(await other.writes());
  await contact.writes();
  await contact.ended(ruleId, 1);
  const foreign = { tenantId: other.tenantId, id: ruleId, actorId: 'key_x' };
  await expect(other.get(ruleId)).rejects.toMatchObject({ code: 'rule.not_found' });
  await expect(service.rules.deleteRule(foreign, CALL)).rejects.toMatchObject({ code: 'rule.not_found' });
  for (const unknown of [ruleId, formatId('rul', id()), 'rul_nonsense', 'x'])
    await expect(other.effects(unknown)).rejects.toMatchObject({ code: 'rule.not_found' });
  expect((await service.ruleReads.listRules({ tenantId: other.tenantId }, CALL)).rules).toEqual([]);
  const { rules } = await service.ruleReads.listRules({ tenantId: contact.tenantId }, CALL);
  expect(rules.map(({ id: known }) => known)).toEqual([ruleId]);
  await contact.removes(ruleId);
});

test('D4 F3 what is no rule is refused with the field that is wrong; rules in force are bounded by what they cost', async () => {
  const contact = new Contact();
  await expect(
    contact.rule(tags('UPPER'), { when: when('evnt.type == ""', { types: [] }) }),
  ).rejects.toMatchObject({
    code: 'request.invalid',
    fields: [{ path: 'when.types' }, { path: 'then.tag' }],
  });
  for (const [text, said] of Object.entries({ 'evnt.type == ""': 'no evnt', '1 + 1': 'no condition' }))
    await expect(contact.rule(tags('a'), { when: when(text) })).rejects.toMatchObject({
      fields: [{ path: 'when.expression', message: expect.stringContaining(said) }],
    });
  await expect(contact.rule(sends('{{ nope }}'))).rejects.toMatchObject({ fields: [{ path: 'then' }] });
  const costly = when('event.type.matches("a") || event.type.matches("b")');
  const made = [
    await contact.rule(tags('a'), { when: costly }),
    await contact.rule(tags('b'), { when: costly }),
  ];
  await expect(contact.rule(tags('c'), { when: costly })).rejects.toMatchObject({ code: 'limit.reached' });
  for (const rule of made) await contact.removes(rule);
});
