import { isUnrecognized } from './drift.js';
import type { LoggedEvent } from './project-event.js';

/** How ingress says that the schema of the source does not fit, also of what its source let in all the same. */
const SCHEMA_NOTE = /^(?:unauthentic: [a-z_.]+; )?schema: /;

/** Whether the schema of its source set it aside: it is projected as what nobody understood, and waits for a person. */
export const isSetAside = (event: Pick<LoggedEvent, 'type' | 'attributes'>): boolean =>
  isUnrecognized(event) && SCHEMA_NOTE.test(event.attributes.note);
