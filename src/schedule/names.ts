const LONGEST = 128;

/**
 * Why a text cannot be the name of an event, a task, a service, a tag, a group or a pattern; undefined when it can.
 * Names become parts of keys and paths and lines of logs: no `/`, not `.` or `..`, no control character, at most 128 bytes.
 */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (name.includes('/')) return 'has a "/", which would make two keys of one';
  if (name === '.' || name === '..') return 'is a folder of its own meaning';
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(name)) return 'has a control character';
  if (Buffer.byteLength(name) > LONGEST) return `is longer than ${LONGEST} bytes`;
  return undefined;
}
