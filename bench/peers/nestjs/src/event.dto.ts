import 'reflect-metadata';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsObject,
  IsOptional,
  IsString,
  Length,
  ValidateNested,
} from 'class-validator';

/** The body of `POST /events`, as Herald takes it. */
export class EventDto {
  @IsString()
  @Length(1, 200)
  event: string;

  @IsObject()
  data: Record<string, unknown>;

  @IsOptional()
  @IsString()
  @Length(1, 200)
  room?: string;
}

/** The body of `POST /events/batch`. */
export class BatchDto {
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(1000)
  @ValidateNested({ each: true })
  @Type(() => EventDto)
  events: EventDto[];
}
