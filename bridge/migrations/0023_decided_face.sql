-- Where an ask was answered: the face of the person who answered it; see AskDecided.face.
ALTER TABLE asks ADD COLUMN decided_face TEXT NOT NULL DEFAULT '';
