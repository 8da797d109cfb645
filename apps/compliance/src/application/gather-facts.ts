import { uuidBytes, uuidTimeMs } from '@posthorn/clock/id.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { statusAt } from '../domain/consent-status.js';
import { distinctPersons, personKey, personLock, type Person } from '../domain/person.js';
import { sameOptOut } from '../domain/person-consent.js';
import type { SendRequest, StoredFacts } from '../domain/send-request.js';
import { CAP_WINDOW_HOURS_MAX } from '../domain/sending-rules/parse-policy.js';
import { HELP_WINDOW_MS } from '../domain/sending-rules/recipient-rules.js';
import { SCOPE_ALL } from '../domain/suppression.js';
import type { ConsentStore, KnownSignal } from '../persistence/consent.store.js';
import type { PermitStore } from '../persistence/permit.store.js';
import type { PersonStore } from '../persistence/person.store.js';
import type { PersonKeyStore } from '../persistence/person-key.store.js';
import type { LinkedRow, PendingOptOut, SendFactsRead } from '../persistence/send-facts.read.js';

const CAP_WINDOW_MS_MAX = CAP_WINDOW_HOURS_MAX * 3_600_000;

/** Whom a person was linked with while the locks were taken; the transaction has to begin again. */
export class LinksChanged extends Error {}

type Answers = Pick<StoredFacts, 'answersOptOut' | 'answersHelp' | 'isAnsweredUnknown'>;

const NO_ANSWER: Answers = { answersOptOut: undefined, answersHelp: undefined, isAnsweredUnknown: false };

/** Locks the persons of requests and reads all that decides about them. */
export class GatherFacts {
  constructor(
    private readonly persons: PersonStore,
    private readonly consent: ConsentStore,
    private readonly facts: SendFactsRead,
    private readonly permits: PermitStore,
    private readonly keyStore: PersonKeyStore,
  ) {}

  /**
   * The first thing its transaction does. Persons who may move are settled before.
   * @returns one for each request, in order. @throws LinksChanged.
   */
  async run(tx: Tx, requests: readonly SendRequest[], nowMs: number): Promise<StoredFacts[]> {
    const persons = distinctPersons(requests.map(({ person }) => person));
    const marketed = distinctPersons(
      requests.filter(({ category }) => category === 'marketing').map(({ person }) => person),
    );
    const answered = requests.flatMap(({ person, answersEventId }) =>
      answersEventId === undefined ? [] : [{ person, id: answersEventId }],
    );
    const tenants = [...new Set(persons.map(({ tenantId }) => tenantId))];
    // One round trip: the reads run after the locks were got, so they see all that was done under them.
    const [taken, , linked, suppressions, waiting, signals, sent, known, policies] = await Promise.all([
      this.persons.lockShared(tx, persons),
      marketed.length === 0 ? undefined : this.persons.lockMarketing(tx, marketed),
      this.facts.linked(tx, persons),
      this.facts.suppressions(tx, persons),
      this.facts.pending(tx, persons),
      this.persons.signals(tx, persons),
      marketed.length === 0 ? [] : this.facts.sentRecently(tx, marketed, nowMs - CAP_WINDOW_MS_MAX),
      answered.length === 0 ? new Map<string, never>() : this.consent.known(tx, answered),
      this.facts.policies(tx, tenants),
    ]);
    if (linked.flat().some(({ lock }) => !taken.has(lock))) throw new LinksChanged();
    const pending = await this.withLinked(tx, persons, waiting, linked);
    const answers = await this.answers(tx, requests, known, nowMs);
    const at = indexOf(persons);
    const marketedAt = indexOf(marketed);
    return requests.map((request, index) => {
      const key = personKey(request.person);
      const n = at.get(key)!;
      const { version, policy } = policies.get(request.person.tenantId)!;
      return {
        suppressions: suppressions[n]!,
        isPendingOptOut: pending[n] !== 'none',
        isPendingInPart: pending[n] === 'part',
        consent: statusAt(
          signals.get(key)!,
          suppressions[n]!,
          request.channel,
          request.program || SCOPE_ALL,
          nowMs,
        ),
        ...answers[index]!,
        sentRecently: request.category === 'marketing' ? sent[marketedAt.get(key)!]! : [],
        policy,
        policyVersion: version,
        group: [personLock(request.person), ...linked[n]!.map(({ lock }) => lock)],
      };
    });
  }

  /** Of each person, what waits: its own, or of one who is linked. Asked once for all who are linked. */
  private async withLinked(
    tx: Tx,
    persons: readonly Person[],
    own: readonly PendingOptOut[],
    linked: readonly (readonly LinkedRow[])[],
  ): Promise<PendingOptOut[]> {
    const pending = [...own];
    const byTenant = new Map<string, { readonly n: number; readonly personHash: Buffer }[]>();
    for (const [n, { tenantId }] of persons.entries()) {
      if (pending[n] !== 'none' || linked[n]!.length === 0) continue;
      const rows = byTenant.get(tenantId) ?? [];
      byTenant.set(tenantId, rows);
      for (const { personHash } of linked[n]!) rows.push({ n, personHash });
    }
    if (byTenant.size === 0) return pending;
    // Under the locks on them: nobody of them moves meanwhile.
    const read = [...byTenant].map(([tenantId, rows]) =>
      this.keyStore.read(tx, tenantId, () => Promise.resolve(rows)),
    );
    const others = (await Promise.all(read)).flat();
    const found = await this.facts.pending(
      tx,
      others.map(({ person }) => person),
      true,
    );
    for (const [at, { row }] of others.entries())
      if (pending[row.n] !== 'whole' && found[at] !== 'none') pending[row.n] = found[at]!;
    return pending;
  }

  private async answers(
    tx: Tx,
    requests: readonly SendRequest[],
    known: ReadonlyMap<string, KnownSignal>,
    nowMs: number,
  ): Promise<Answers[]> {
    const answers = requests.map(({ person, answersEventId }) => ({
      ...NO_ANSWER,
      isAnsweredUnknown:
        answersEventId !== undefined &&
        !known.has(`${personKey(person)}:${answersEventId}`) &&
        isRecent(answersEventId, nowMs),
    }));
    const claiming = await this.claiming(tx, requests, known);
    const owners = await this.permits.claimAnswers(
      tx,
      claiming.map(({ request, eventIds }) => ({
        ...{ tenantId: request.person.tenantId, eventIds, messageId: request.messageId },
      })),
    );
    claiming.forEach(({ index, request, signal: { kind, atMs } }, n) => {
      const isUsed = owners[n] !== request.messageId;
      answers[index] =
        kind === 'opt_out'
          ? { ...NO_ANSWER, answersOptOut: { optedOutAtMs: atMs, isConfirmationUsed: isUsed } }
          : { ...NO_ANSWER, answersHelp: { askedAtMs: atMs, isAnswerUsed: isUsed } };
    });
    return answers;
  }

  /** The requests that answer something, and what is answered with it. */
  private async claiming(
    tx: Tx,
    requests: readonly SendRequest[],
    known: ReadonlyMap<string, KnownSignal>,
  ): Promise<Claiming[]> {
    const claiming: Claiming[] = [];
    for (const [index, request] of requests.entries()) {
      const { person, answersEventId } = request;
      const signal = known.get(`${personKey(person)}:${answersEventId}`);
      if (signal?.isOwn !== true || !ANSWERED_KINDS.includes(signal.kind)) continue;
      const eventIds =
        signal.kind === 'opt_out'
          ? sameOptOut(await this.consent.history(tx, person), answersEventId!)
          : [answersEventId!];
      claiming.push({ index, request, signal, eventIds });
    }
    // In one order for everybody: a claim holds its row until the end.
    return claiming.sort((a, b) => (a.eventIds[0]! < b.eventIds[0]! ? -1 : 1));
  }
}

interface Claiming {
  readonly index: number;
  readonly request: SendRequest;
  readonly signal: KnownSignal;
  readonly eventIds: readonly string[];
}

const ANSWERED_KINDS: readonly string[] = ['opt_out', 'help'];

/** Whether its signal may be on its way to us: a rule answers as soon as the log has it. */
const isRecent = (eventId: string, nowMs: number): boolean =>
  Math.abs(nowMs - uuidTimeMs(uuidBytes(eventId))) <= HELP_WINDOW_MS;

const indexOf = (persons: readonly Person[]): Map<string, number> =>
  new Map(persons.map((person, index) => [personKey(person), index]));

/** When links change again and again. */
export const linksUnstable = (): AppError =>
  new AppError('store.overloaded', { detail: 'links keep changing' });
