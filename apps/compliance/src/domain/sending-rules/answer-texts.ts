import type { FieldError } from '@posthorn/errors/app-error.js';

/** The confirmation of an opt-out and the answer to HELP. All are empty as long as the tenant names neither program nor contact. */
export interface AnswerTexts {
  /** The name by which recipients know the program. */
  readonly program: string;
  /** Where a person can turn to: number, mail address or URL. */
  readonly contact: string;
  readonly optOutText: string;
  readonly helpText: string;
}

export const NO_ANSWER_TEXTS: AnswerTexts = { program: '', contact: '', optOutText: '', helpText: '' };

export const ANSWER_PROGRAM_LENGTH_MAX = 64;
export const ANSWER_CONTACT_LENGTH_MAX = 128;
/** Two parts of a text message. */
export const ANSWER_TEXT_LENGTH_MAX = 306;

/**
 * Texts from what a tenant set; those it leaves out are the usual ones, with its program and contact in them.
 * @param errors gets every field that is wrong.
 * Source: CTIA, "Messaging Principles and Best Practices" (opt-out confirmation, HELP: who it is and how to reach them);
 * 47 CFR 64.1200(a)(12): the confirmation says that no more comes, and does not advertise.
 */
export function answerTextsOf(given: Readonly<Record<string, unknown>>, errors: FieldError[]): AnswerTexts {
  const textAt = (name: keyof AnswerTexts, max: number): string => {
    const value = given[name] ?? '';
    if (typeof value === 'string' && value.length <= max) return value.trim();
    errors.push({ path: `answers.${name}`, message: `must be a text of at most ${max} characters` });
    return '';
  };
  const program = textAt('program', ANSWER_PROGRAM_LENGTH_MAX);
  const contact = textAt('contact', ANSWER_CONTACT_LENGTH_MAX);
  const own = {
    optOutText: textAt('optOutText', ANSWER_TEXT_LENGTH_MAX),
    helpText: textAt('helpText', ANSWER_TEXT_LENGTH_MAX),
  };
  if (program === '' && contact === '' && own.optOutText === '' && own.helpText === '')
    return NO_ANSWER_TEXTS;
  for (const [name, value] of Object.entries({ program, contact }))
    if (value === '') errors.push({ path: `answers.${name}`, message: 'must be given: the answers name it' });
  for (const [name, text] of Object.entries(own))
    if (text !== '' && !(text.includes(program) && text.includes(contact)))
      errors.push({
        path: `answers.${name}`,
        message: 'must hold the program and the contact as they are given',
      });
  return {
    ...{ program, contact },
    optOutText:
      own.optOutText ||
      `${program}: You are unsubscribed and will get no more messages. Questions: ${contact}`,
    helpText:
      own.helpText ||
      `${program}: For help contact ${contact}. Msg&data rates may apply. Reply STOP to opt out.`,
  };
}
