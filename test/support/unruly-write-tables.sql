CREATE TABLE seen (item varchar(60) NOT NULL);
