// What the reader put on the horizontal axis; charts over steps share it, and their cursor.

export class Axis {
  kind: 'step' | 'tokens' = $state('step');
  log = $state(false);
}
