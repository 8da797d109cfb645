/** The stream that carries facts. */
export const FACTS_STREAM = 'POSTHORN_FACTS';

/** Every lane of facts. */
export const FACTS_SUBJECTS = 'posthorn.v1.facts.*';

/** The runs of one lane. @param shard 0–63. */
export const factsSubject = (shard: number): string => `posthorn.v1.facts.${shard}`;

/** The heartbeat of all lanes, core NATS: nothing keeps it. */
export const HEADS_SUBJECT = 'posthorn.v1.heads';

/** Tells a service's loops that there is work, core NATS: a lost one costs one poll interval. */
export const wakeSubject = (service: string): string => `posthorn.v1.wake.${service}`;
