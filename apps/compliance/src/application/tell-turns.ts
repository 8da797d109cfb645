import { newUuid, uuidText } from '@posthorn/clock/id.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { personKey, type Person } from '../domain/person.js';
import { toldOf, turnsBetween, type Standing } from '../domain/suppression-plan.js';
import type { Suppression } from '../domain/suppression.js';
import type { OutgoingStore } from '../persistence/outgoing.store.js';
import type { PersonStore } from '../persistence/person.store.js';
import type { SuppressionStore } from '../persistence/suppression.store.js';
import { outgoingBy } from './fold-signals.js';

/** The standing of one person, with its suppressions as they are stored. */
export interface PersonStanding extends Standing {
  readonly suppressions: readonly Suppression[];
}

/** An act of staff, as what is told of it names it. */
interface Act {
  /** What may have changed; see Scope. */
  readonly programs: readonly string[];
  /** UUID text of what it ended; that happens once. */
  readonly endedId: string;
  readonly nowMs: number;
}

/** Tells the log what an act of staff closed or opened for a person, by where the person stood before. */
export class TellTurns {
  constructor(
    private readonly persons: PersonStore,
    private readonly suppressions: SuppressionStore,
    private readonly outgoing: OutgoingStore,
  ) {}

  /** Under the lock on the person. */
  async standing(tx: Tx, person: Person): Promise<PersonStanding> {
    const key = personKey(person);
    return {
      signals: (await this.persons.signals(tx, [person])).get(key)!,
      suppressions: (await this.suppressions.held(tx, [person])).get(key)!,
    };
  }

  /** The last thing its transaction does. @returns whether there was anything to tell. */
  async tell(tx: Tx, person: Person, before: Standing, { programs, endedId, nowMs }: Act): Promise<boolean> {
    const after = await this.standing(tx, person);
    const events = turnsBetween(before, after, programs).map((turn) =>
      outgoingBy(person, toldOf(turn, after), {
        // What made the ended one was told under its ID.
        causeId: turn.type === 'consent.opted_in' ? endedId : uuidText(newUuid(nowMs)),
        nowMs,
      }),
    );
    await this.outgoing.add(tx, events);
    return events.length > 0;
  }
}
