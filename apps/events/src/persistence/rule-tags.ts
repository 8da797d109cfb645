/** Shown of one conversation or message. */
const TAGS_MAX = 32;

/** A column of the tags that rules have put on a row. @param id the column with its ID. */
export const tagsSql = (target: 'conversation' | 'message', row: string, id: string): string =>
  `ARRAY(SELECT g.tag FROM events.tag g WHERE g.tenant_id = ${row}.tenant_id AND g.target = '${target}'
     AND g.target_id = ${row}.${id} ORDER BY g.tag LIMIT ${TAGS_MAX}) AS tags`;
