import type { Tx } from '@posthorn/postgres/database.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { statusAt } from '../domain/consent-status.js';
import { distinctPersons, personKey, personLock, type Person } from '../domain/person.js';
import type { SendRequest, StoredFacts } from '../domain/send-request.js';
import { CAP_WINDOW_HOURS_MAX } from '../domain/sending-rules/parse-policy.js';
import { SCOPE_ALL } from '../domain/suppression.js';
import type { ConsentStore } from '../persistence/consent.store.js';
import type { PermitStore } from '../persistence/permit.store.js';
import type { PersonStore } from '../persistence/person.store.js';
import type { SendFactsRead } from '../persistence/send-facts.read.js';

const CAP_WINDOW_MS_MAX = CAP_WINDOW_HOURS_MAX * 3_600_000;

/** Whom a person was linked with while the locks were taken; the transaction has to begin again. */
export class LinksChanged extends Error {}

interface Answers {
  readonly answersOptOut: StoredFacts['answersOptOut'];
  readonly answersHelp: StoredFacts['answersHelp'];
}

const NO_ANSWER: Answers = { answersOptOut: undefined, answersHelp: undefined };

/** Locks the persons of requests and reads all that decides about them. */
export class GatherFacts {
  constructor(
    private readonly persons: PersonStore,
    private readonly consent: ConsentStore,
    private readonly facts: SendFactsRead,
    private readonly permits: PermitStore,
  ) {}

  /**
   * The first thing its transaction does.
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
    const [taken, , linked, suppressions, pending, signals, sent, known, policies] = await Promise.all([
      this.persons.lockShared(tx, persons),
      marketed.length === 0 ? undefined : this.persons.lockMarketing(tx, marketed),
      this.facts.linkedLocks(tx, persons),
      this.facts.suppressions(tx, persons),
      this.facts.pending(tx, persons),
      this.persons.signals(tx, persons),
      marketed.length === 0 ? [] : this.facts.sentRecently(tx, marketed, nowMs - CAP_WINDOW_MS_MAX),
      answered.length === 0 ? new Map<string, never>() : this.consent.known(tx, answered),
      this.facts.policies(tx, tenants),
    ]);
    if (linked.flat().some((lock) => !taken.has(lock))) throw new LinksChanged();
    const answers = await this.answers(tx, requests, known);
    const at = indexOf(persons);
    const marketedAt = indexOf(marketed);
    return requests.map((request, index) => {
      const key = personKey(request.person);
      const n = at.get(key)!;
      const { version, policy } = policies.get(request.person.tenantId)!;
      return {
        suppressions: suppressions[n]!,
        isPendingOptOut: pending[n]!,
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
        group: [personLock(request.person), ...linked[n]!],
      };
    });
  }

  private async answers(
    tx: Tx,
    requests: readonly SendRequest[],
    known: ReadonlyMap<string, { readonly kind: string; readonly atMs: number }>,
  ): Promise<Answers[]> {
    const claiming = requests.flatMap((request, index) => {
      const signal = known.get(`${personKey(request.person)}:${request.answersEventId}`);
      return signal === undefined ? [] : [{ index, request, signal }];
    });
    // In one order for everybody: a claim holds its row until the end.
    claiming.sort((a, b) => (a.request.answersEventId! < b.request.answersEventId! ? -1 : 1));
    const owners = await this.permits.claimAnswers(
      tx,
      claiming.map(({ request }) => ({
        tenantId: request.person.tenantId,
        eventId: request.answersEventId!,
        messageId: request.messageId,
      })),
    );
    const answers = requests.map(() => NO_ANSWER);
    claiming.forEach(({ index, request, signal }, n) => {
      const isUsed = owners[n] !== request.messageId;
      if (signal.kind === 'opt_out')
        answers[index] = {
          ...NO_ANSWER,
          answersOptOut: { optedOutAtMs: signal.atMs, isConfirmationUsed: isUsed },
        };
      if (signal.kind === 'help')
        answers[index] = { ...NO_ANSWER, answersHelp: { askedAtMs: signal.atMs, isAnswerUsed: isUsed } };
    });
    return answers;
  }
}

const indexOf = (persons: readonly Person[]): Map<string, number> =>
  new Map(persons.map((person, index) => [personKey(person), index]));

/** When links change again and again. */
export const linksUnstable = (): AppError =>
  new AppError('store.overloaded', { detail: 'links keep changing' });
